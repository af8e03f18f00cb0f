# syntax=docker/dockerfile:1
# The same commit gives the same files: every package by version and hash, no time and no chance in what is compiled.
# What is left is the base, which a release names by its digest: --build-arg PYTHON=python:3.13-slim@sha256:…
ARG PYTHON=python:3.13-slim

FROM ${PYTHON} AS build
ARG SOURCE_DATE_EPOCH
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    UV_NO_PROGRESS=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONHASHSEED=0
WORKDIR /opt/src
# What builds and installs stays out of the image that runs.
COPY requirements-build.lock ./
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --only-binary :all: --require-hashes -r requirements-build.lock
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/otp-fallback \
 && /opt/build/bin/uv pip install --python /opt/otp-fallback --no-build --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY service ./service
COPY deploy/runbooks ./deploy/runbooks
# Of Twilio's API only Verify is called; the rest, a third of all code, is left as it is.
RUN /opt/build/bin/python -m hatchling build -t wheel -d /opt/wheel \
 && /opt/build/bin/pip --python /opt/otp-fallback/bin/python install --no-compile --no-deps /opt/wheel/*.whl \
 && /opt/otp-fallback/bin/python -m compileall -q -x 'twilio/rest/[a-u]' --invalidation-mode unchecked-hash \
    /opt/otp-fallback/lib

FROM ${PYTHON}
# Runs with a read-only root file system: only /data is written to. (No useradd: it would note today's date.)
RUN echo 'otp:x:10001:' >> /etc/group \
 && echo 'otp:x:10001:10001::/data:/usr/sbin/nologin' >> /etc/passwd \
 && install -d -o 10001 -g 10001 -m 0700 /data
COPY --from=build /opt/otp-fallback /opt/otp-fallback
ENV PATH=/opt/otp-fallback/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OTP_HOST=0.0.0.0 \
    OTP_PORT=8080 \
    OTP_DATA_DIR=/data
USER 10001:10001
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"OTP_PORT\"]}/readyz', timeout=2)"]
ENTRYPOINT ["otp-fallback"]
CMD ["serve"]
