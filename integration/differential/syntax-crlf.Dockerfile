# escape=\
FROM busybox
ENV A=b \
  C=d
RUN echo x > /x && \
  echo "y" > /y
COPY a.txt /crlf/
LABEL l="v"
CMD ["a", "b"]
RUN <<EOF
echo h > /h
EOF
COPY <<EOF /i
line
EOF
