# A base with everything in its configuration; other cases start from it.
FROM busybox
ENV FROM_BASE=yes PATH=/base/bin:/bin
LABEL of=base shared=base
WORKDIR /basework
EXPOSE 1000 2000/udp
VOLUME /basevolume
ENTRYPOINT ["/bin/echo", "base entrypoint"]
CMD ["base", "cmd"]
STOPSIGNAL SIGINT
HEALTHCHECK --interval=7s --retries=4 CMD base-health
SHELL ["/bin/sh", "-e", "-c"]
USER app
MAINTAINER base maintainer
