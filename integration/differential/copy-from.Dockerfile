# Owners, modes, links and attributes of what another stage has.
FROM busybox AS one
RUN mkdir -p /x/sub /x/setgiddir /x/empty && \
    echo 1 > /x/plain && echo 2 > /x/owned && chown 5:6 /x/owned && \
    echo 3 > /x/setuid && chown 7:8 /x/setuid && chmod 4755 /x/setuid && \
    echo 4 > /x/setgid && chmod 2711 /x/setgid && \
    chown 9:10 /x/sub && chmod 750 /x/sub && echo 5 > /x/sub/inner && chown 11:12 /x/sub/inner && \
    chmod 2775 /x/setgiddir && chmod 1777 /x/empty && \
    echo 6 > /x/hard1 && ln /x/hard1 /x/hard2 && ln /x/hard1 /x/sub/hard3 && \
    ln -s plain /x/soft && ln -s /x/sub /x/softdir && ln -s /nowhere /x/dangling && chown -h 13:14 /x/soft && \
    mkfifo /x/fifo && chown 15:16 /x && chmod 711 /x
RUN mkdir /y && ln -s /x /y/link && ln -s ../x/plain /y/rel
FROM busybox
COPY --from=one /x /c1
COPY --from=one /x /c2/
COPY --from=one /x/ /c3/deeper/
COPY --from=one /x/owned /c4
COPY --from=one /x/owned /c5/
COPY --from=one /x/sub /c6
COPY --from=one /x/sub/ /c7/
COPY --from=one /x/setuid /x/setgid /c8/
COPY --from=one /x/hard1 /x/hard2 /c9/
COPY --from=one /x/soft /c10
COPY --from=one /x/softdir /c11
COPY --from=one /x/softdir/ /c12/
COPY --from=one /x/softdir/inner /c13
COPY --from=one /x/s* /c14/
COPY --from=one --chown=1:2 /x /c15
COPY --from=one --chmod=700 /x /c16
COPY --from=one --chown=1:2 --chmod=4711 /x/setuid /c17
COPY --from=one --chown=1:2 /x/setuid /x/setgid /c18/
COPY --from=one /y/link /c19
COPY --from=one /y/link/plain /c20
COPY --from=one /y/rel /c21
COPY --from=one /y /c22
COPY --from=one x/plain /c23
COPY --from=one x/../x/plain /c24
COPY --from=one /x/empty /c25
COPY --from=0 /x/plain /c26
COPY --from=ONE /x/plain /c27
WORKDIR /w
COPY --from=one /x/plain .
COPY --from=one x/owned ./named
