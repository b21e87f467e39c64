FROM busybox
MAINTAINER  Some  One <some@example.org>
LABEL one=1
LABEL two="with space" three='single "quotes"' four=with\ backslash
LABEL old form value
LABEL multi="line \
continued"
LABEL "quoted key"=x 'single key'=y
LABEL empty= emptyq=""
LABEL one=again
EXPOSE 80 443/tcp 53/udp 8000-8003 9000-9001/udp
EXPOSE 132/sctp 80/TCP
ENV PORT=7777
EXPOSE $PORT ${PORT}/udp
VOLUME /one
VOLUME /two /three
VOLUME ["/four", "/five with space"]
VOLUME relative /trailing/
STOPSIGNAL SIGQUIT
STOPSIGNAL 9
STOPSIGNAL term
HEALTHCHECK --interval=1m30s --timeout=10s --start-period=5s --start-interval=2s --retries=3 CMD curl -f "http://x/" || exit 1
HEALTHCHECK CMD ["a", "b c"]
HEALTHCHECK --interval=500ms CMD   a    b
SHELL ["/bin/sh", "-x", "-c"]
CMD echo shell form
ENTRYPOINT ["exec", "form"]
CMD ["json", "cmd"]
USER app
USER app:extra
USER 1000
USER 1000:2000
ONBUILD RUN echo trigger
