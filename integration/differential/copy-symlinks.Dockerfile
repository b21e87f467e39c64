# Symlinks among the sources.
FROM busybox
COPY link-file /s1
COPY link-file /s2/
COPY link-dir /s3
COPY link-dir /s4/
COPY link-dir/ /s5
COPY link-dir/one /s6
COPY link-chain /s7
COPY links /s8
COPY links/up /s9
COPY links/dir /s10
COPY links/dir/sub /s11
COPY link-file link-dir /s12/
COPY links/ /s13/
