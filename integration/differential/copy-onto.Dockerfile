# What stands at the destination already.
FROM busybox
RUN mkdir -p /real/sub /d1/sub /d2 /d3 /d4 /d6/one && \
    ln -s /real /way && ln -s real /relway && ln -s way /twoway && \
    echo old > /file && chmod 600 /file && chown 3:4 /file && ln -s /file /tofile && ln -s /gone /dangling && \
    ln /file /file2 && chmod 700 /d1/sub && chown 9:9 /d1/sub && \
    ln -s /real /d2/sub && ln -s /real/one /d3/one && ln -s ../../../../escape /escape
COPY a.txt /way/
COPY b.txt /way
COPY a.txt /relway/sub/named
COPY a.txt /twoway/three
COPY a.txt /way/made/deeper
COPY dir /way/tree
COPY dir /d1
COPY dir/sub/three /d3/one
COPY a.txt /file
COPY a.txt /way/../fromway
COPY dir700 /d4/
COPY link-dir /relway/
