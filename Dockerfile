# podledger with the command line and the Kubernetes client; `docker build -t podledger:0.1.0 .`
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY engine engine
COPY adapters adapters
# Without pip in it: the image runs what is there and installs nothing.
RUN python -m venv --without-pip /opt/podledger \
    && pip --python /opt/podledger/bin/python install --no-cache-dir '.[cli,kubernetes]'

FROM python:3.13-slim
COPY --from=build /opt/podledger /opt/podledger
USER 65532:65532
ENTRYPOINT ["/opt/podledger/bin/podledger"]
CMD ["controller"]
