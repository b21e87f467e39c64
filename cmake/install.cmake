# Installation and the Debian package: kiln in bin, its helpers in libexec/kiln, man pages, the public API.
install(TARGETS program-cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS program-builder program-remote RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/kiln)
install(TARGETS libkiln ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
configure_file(cmake/kiln.pc.in kiln.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/kiln.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(DIRECTORY include/kiln DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
file(GLOB man_pages CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/*.1)
install(FILES ${man_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

# Of the package alone: its paths are those that the profile names.
install(FILES ${CMAKE_SOURCE_DIR}/cmake/apparmor/kiln DESTINATION /etc/apparmor.d
    COMPONENT apparmor EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_INSTALL_CMAKE_PROJECTS "${CMAKE_BINARY_DIR};kiln;ALL;/" "${CMAKE_BINARY_DIR};kiln;apparmor;/")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/cmake/deb/postinst
    ${CMAKE_SOURCE_DIR}/cmake/deb/prerm ${CMAKE_SOURCE_DIR}/cmake/deb/postrm
    ${CMAKE_SOURCE_DIR}/cmake/deb/conffiles)
set(CPACK_PACKAGE_NAME kiln)
set(CPACK_PACKAGE_VENDOR kiln)
set(CPACK_PACKAGE_CONTACT "The kiln developers <kiln@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "uidmap, passt, ca-certificates")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "git, openssh-client")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_STRIP_FILES ON)
include(CPack)
