# Where COPY puts one file, several, and directories.
FROM busybox
RUN mkdir -p /have/inner /owned && chown 5:6 /owned && chmod 711 /owned && echo old > /old && chmod 600 /old && chown 7:8 /old
COPY a.txt /have
COPY a.txt /have/
COPY a.txt /have/named
COPY a.txt /new1/
COPY a.txt /new2
COPY a.txt /new3/deeper/named
COPY a.txt /new4/deeper/
COPY a.txt /old
COPY a.txt b.txt /new5/
COPY a.txt b.txt /have
COPY dir /new6
COPY dir /new7/
COPY dir /have
COPY dir dir2 /new8/
COPY dir a.txt /new9/
COPY dir/ /new10
COPY dir/. /new11
COPY dir/* /new12/
COPY a.txt /owned/
COPY a.txt /owned/sub/
COPY . /all/
COPY ./dir/../a.txt /dotted
COPY /a.txt /absolute
COPY ../../a.txt /outside
COPY emptydir /new13
COPY emptydir /have/
COPY dir700 /new14
COPY dir700 /new15/
COPY dir700/ /have/
COPY stickydir /new16
COPY setgiddir /new17
WORKDIR /work
COPY a.txt .
COPY a.txt ./
COPY a.txt relative
COPY a.txt sub/
COPY dir .
COPY a.txt ..
COPY a.txt ../up/
COPY a.txt ./x/../y
