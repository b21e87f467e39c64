FROM busybox
RUN mkdir -p /have && chmod 700 /have && chown 5:6 /have && mkdir /real && ln -s /real /way && \
    pwd > /p0
WORKDIR /have
RUN pwd > /p1
WORKDIR /new/deeper
RUN pwd > /p2
WORKDIR relative
RUN pwd > /p3
WORKDIR ../up
RUN pwd > /p4
WORKDIR /way
RUN pwd > /p5
WORKDIR /way/below
RUN pwd > /p6
WORKDIR trailing/
RUN pwd > /p7
WORKDIR /trailing/slash/
RUN pwd > /p8
WORKDIR /a/./b/..//d
RUN pwd > /p9
ENV BASE=/from/env
WORKDIR $BASE/x
WORKDIR ${UNSET}/after
WORKDIR /with\ space
WORKDIR "/quoted space"
WORKDIR /
RUN pwd > /p10
USER app
WORKDIR /byapp/deeper
RUN pwd; id
USER 77:88
WORKDIR /bynumber
WORKDIR sub
USER app:extra
WORKDIR /byappextra
USER root
WORKDIR /last
WORKDIR .
WORKDIR ./
# left: tree /a/b: only docker has it
# mkdir -p makes what a path only passes through.
