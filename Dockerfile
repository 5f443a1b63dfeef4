# All images: `docker build --target api .`, likewise worker, worker-gpu, training, mlflow and flower.
#
# Packages come before the code, so that a change of the code rebuilds one small layer; they are installed where they
# stay, from a cache that is only mounted, with the versions and hashes of the lock file.

# To pin it by digest: --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS python
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
RUN groupadd --gid 10001 catalog \
    && useradd --uid 10001 --gid catalog --home-dir /tmp --no-create-home --shell /usr/sbin/nologin catalog \
    && install --directory --owner catalog --group catalog /data /run/secrets /run/access /run/mlflow \
        /run/grafana
WORKDIR /app

# uv, in the lock file's version; no image keeps it.
FROM python AS uv
RUN --mount=type=bind,source=requirements.lock,target=/requirements.lock \
    --mount=type=cache,target=/root/.cache/pip \
    sed -n '/^uv==/,/[^\\]$/p' /requirements.lock > /uv.lock \
    && PIP_CACHE_DIR=/root/.cache/pip pip install --no-deps --require-hashes --target /uv --requirement /uv.lock

# What each image needs, apart from the rest of pyproject.toml: a layer of packages is rebuilt only if this changes.
FROM python AS requirements
RUN --mount=type=bind,source=pyproject.toml,target=pyproject.toml \
    --mount=type=bind,source=client/pyproject.toml,target=client/pyproject.toml \
    --mount=type=bind,source=deploy/containers/requirements.py,target=/requirements.py \
    mkdir /requirements \
    && python /requirements.py api client s3 tracing > /requirements/api.txt \
    && python /requirements.py worker client s3 tracing > /requirements/worker.txt \
    && python /requirements.py worker client s3 tracing gpu > /requirements/worker-gpu.txt \
    && python /requirements.py training client tracing > /requirements/training.txt \
    && python /requirements.py mlflow > /requirements/mlflow.txt \
    && python /requirements.py flower > /requirements/flower.txt

# Where packages are installed. Bytecode is compiled now, because the file system is read-only later.
FROM python AS packages
ENV UV_COMPILE_BYTECODE=1 UV_CACHE_DIR=/root/.cache/uv UV_LINK_MODE=copy UV_NO_PROGRESS=1 UV_SYSTEM_CERTS=true VIRTUAL_ENV=/opt/venv
RUN --mount=from=uv,source=/uv/bin/uv,target=/bin/uv --mount=type=cache,target=/root/.cache/uv \
    uv venv --quiet /opt/venv

FROM packages AS api-packages
# Of botocore's descriptions of 400 services, what S3 and its credentials need: 25 MB less. What the API
# never imports needs no bytecode.
RUN --mount=from=uv,source=/uv/bin/uv,target=/bin/uv --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,from=requirements,source=/requirements/api.txt,target=requirements.txt \
    --mount=type=bind,source=requirements.lock,target=requirements.lock \
    uv pip install --quiet --constraint requirements.lock --requirement requirements.txt \
    && site=/opt/venv/lib/python3.11/site-packages \
    && find "$site/prompt_toolkit" "$site/pygments" "$site/rich" "$site/wcwidth" -name __pycache__ -prune -exec rm -r {} + \
    && find "$site/botocore/data" -mindepth 1 -maxdepth 1 -type d \
        ! -name s3 ! -name 'sso*' ! -name sts -exec rm -r {} +

FROM packages AS worker-packages
RUN --mount=from=uv,source=/uv/bin/uv,target=/bin/uv --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,from=requirements,source=/requirements/worker.txt,target=requirements.txt \
    --mount=type=bind,source=requirements.lock,target=requirements.lock \
    uv pip install --quiet --constraint requirements.lock --requirement requirements.txt

FROM packages AS worker-gpu-packages
RUN --mount=from=uv,source=/uv/bin/uv,target=/bin/uv --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,from=requirements,source=/requirements/worker-gpu.txt,target=requirements.txt \
    --mount=type=bind,source=requirements-gpu.lock,target=requirements-gpu.lock \
    uv pip install --quiet --constraint requirements-gpu.lock --requirement requirements.txt

# On top of the worker's image, so that a machine with both stores shared layers once.
FROM worker-packages AS training-packages
# hadolint ignore=DL3008  # the base image's release pins them; an exact version vanishes with its first security fix
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git openssh-client \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system --add safe.directory '*'
RUN --mount=from=uv,source=/uv/bin/uv,target=/bin/uv --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,from=requirements,source=/requirements/training.txt,target=requirements.txt \
    --mount=type=bind,source=requirements.lock,target=requirements.lock \
    uv pip install --quiet --constraint requirements.lock --requirement requirements.txt

FROM packages AS mlflow-packages
RUN --mount=from=uv,source=/uv/bin/uv,target=/bin/uv --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,from=requirements,source=/requirements/mlflow.txt,target=requirements.txt \
    --mount=type=bind,source=requirements.lock,target=requirements.lock \
    uv pip install --quiet --constraint requirements.lock --requirement requirements.txt

FROM worker-packages AS flower-packages
RUN --mount=from=uv,source=/uv/bin/uv,target=/bin/uv --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,from=requirements,source=/requirements/flower.txt,target=requirements.txt \
    --mount=type=bind,source=requirements.lock,target=requirements.lock \
    uv pip install --quiet --constraint requirements.lock --requirement requirements.txt

# The project's code and metadata, and the starter model in a layer of its own.
FROM packages AS project
COPY . /app
RUN --mount=from=uv,source=/uv/bin/uv,target=/bin/uv --mount=type=cache,target=/root/.cache/uv \
    uv pip install --quiet --no-deps --build-constraints requirements.lock --editable . --editable ./client \
    && python -m compileall -q . \
    && mv models /models \
    && rm requirements*.lock

FROM api-packages AS api
COPY --from=project /opt/venv /opt/venv
COPY --from=project /app /app
USER 10001:10001
EXPOSE 5000
HEALTHCHECK --interval=15s --start-period=60s --start-interval=3s --timeout=10s \
    CMD ["python", "-IS", "/app/deploy/containers/healthy.py", "5000", "/health/ready"]
CMD ["catalog-run", "api", "--host", "0.0.0.0"]

# `catalog-run housekeeper` and `catalog-run courier` start the other processes from this image.
FROM worker-packages AS worker
COPY --from=project /models /app/models
COPY --from=project /opt/venv /opt/venv
COPY --from=project /app /app
USER 10001:10001
ENV CATALOG_PROCESS_PORT=9100
EXPOSE 9100
HEALTHCHECK --interval=15s --start-period=300s --start-interval=3s --timeout=10s \
    CMD ["python", "-IS", "/app/deploy/containers/healthy.py", "9100", "/ready"]
CMD ["catalog-run", "worker"]

FROM worker-gpu-packages AS worker-gpu
COPY --from=project /models /app/models
COPY --from=project /opt/venv /opt/venv
COPY --from=project /app /app
USER 10001:10001
ENV CATALOG_PROCESS_PORT=9100
EXPOSE 9100
HEALTHCHECK --interval=15s --start-period=300s --start-interval=3s --timeout=10s \
    CMD ["python", "-IS", "/app/deploy/containers/healthy.py", "9100", "/ready"]
CMD ["catalog-run", "worker"]

FROM training-packages AS training
COPY --from=project /models /app/models
COPY --from=project /opt/venv /opt/venv
COPY --from=project /app /app
USER 10001:10001
# DVC's own is below /var, which may be read-only.
ENV CATALOG_PROCESS_PORT=9100 DVC_SITE_CACHE_DIR=/tmp/dvc
EXPOSE 9100
HEALTHCHECK --interval=15s --start-period=60s --start-interval=3s --timeout=10s \
    CMD ["python", "-IS", "/app/deploy/containers/healthy.py", "9100", "/ready"]
CMD ["catalog-run", "trainer"]

FROM mlflow-packages AS mlflow
COPY start_mlflow.sh deploy/containers/healthy.py /app/
COPY deploy/containers/mlflow_accounts.py /app/deploy/containers/
USER 10001:10001
ENV MLFLOW_HOST=0.0.0.0 MLFLOW_STORE=/data MLFLOW_ACCOUNTS=/run/mlflow
EXPOSE 5001
HEALTHCHECK --interval=15s --start-period=120s --start-interval=3s --timeout=10s \
    CMD ["python", "-IS", "/app/healthy.py", "5001", "/health"]
CMD ["/app/start_mlflow.sh"]

FROM flower-packages AS flower
COPY --from=project /opt/venv /opt/venv
COPY --from=project /app /app
USER 10001:10001
EXPOSE 5555
HEALTHCHECK --interval=15s --start-period=60s --start-interval=3s --timeout=10s \
    CMD ["python", "-IS", "/app/deploy/containers/healthy.py", "5555", "/healthcheck"]
CMD ["celery", "--app", "worker.app", "flower", "--port=5555"]
