# The default filter as data, for architectures that the tests judge whatever they run on.
set(profile ${CMAKE_SOURCE_DIR}/runtime/profiles/default.json)
foreach(arch x86_64 aarch64)
    set(filter ${CMAKE_CURRENT_BINARY_DIR}/${arch}.bpf.h)
    add_custom_command(OUTPUT ${filter}
        COMMAND kiln-tool-seccomp bpf ${profile} ${filter} ${arch}
        DEPENDS kiln-tool-seccomp ${profile}
        VERBATIM)
    target_sources(seccomp-test-default PRIVATE ${filter})
endforeach()

# For developers alone: how a profile in Docker's form differs from the default filter.
add_executable(seccomp-compare EXCLUDE_FROM_ALL seccomp/compare.c)
target_link_libraries(seccomp-compare PRIVATE kiln-seccomp kiln-run)

target_include_directories(seccomp-test-default PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
target_link_libraries(seccomp-test-default PRIVATE kiln-run)
target_compile_definitions(seccomp-test-default PRIVATE
    KILN_SECCOMP_FACTS="${CMAKE_CURRENT_SOURCE_DIR}/seccomp/docker-default.txt")
