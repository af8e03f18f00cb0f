# syntax=docker/dockerfile:1
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/otp-fallback \
 && /opt/otp-fallback/bin/pip install --only-binary :all: --require-hashes -r requirements.lock
# The build backend stays out of the image that runs.
COPY requirements-dev.lock ./
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --only-binary :all: --require-hashes -r requirements-dev.lock
COPY pyproject.toml README.md LICENSE ./
COPY service ./service
COPY deploy/runbooks ./deploy/runbooks
RUN /opt/build/bin/python -m hatchling build -t wheel -d /tmp/wheel \
 && /opt/otp-fallback/bin/pip install --no-deps /tmp/wheel/*.whl \
 && /opt/otp-fallback/bin/python -m compileall -q /opt/otp-fallback/lib

FROM python:3.13-slim
# Runs with a read-only root file system: only /data is written to.
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin otp \
 && install -d -o otp -g otp -m 0700 /data
COPY --from=build /opt/otp-fallback /opt/otp-fallback
ENV PATH=/opt/otp-fallback/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OTP_HOST=0.0.0.0 \
    OTP_PORT=8080 \
    OTP_DATA_DIR=/data
USER otp
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"OTP_PORT\"]}/readyz', timeout=2)"]
ENTRYPOINT ["otp-fallback"]
CMD ["serve"]
