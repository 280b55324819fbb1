# The gpu role: jobs whose engine runs on torch, on an NVIDIA card or, slowly, on a CPU. From the top of the repository:
#   docker build --file infra/docker/gpu.Dockerfile --tag stemworks-gpu .
# torch brings its own CUDA libraries, so the base needs none, and the machine no more than NVIDIA's driver (for CUDA 13: 580
# or newer) and its container toolkit. Without a card, torch's CPU build is some gigabytes smaller: give the index that has it by
#   --build-arg PIP_EXTRA_INDEX_URL=…
# How to name the base by its digest stands in http.Dockerfile.
ARG BASE=mcr.microsoft.com/azure-functions/python:4-python3.11
FROM ${BASE}

# As in http.Dockerfile, and where weights are looked for and kept: volumes, if they are to outlive the container.
ENV AzureWebJobsScriptRoot=/home/site/wwwroot \
    AzureFunctionsJobHost__Logging__Console__IsEnabled=true \
    ASPNETCORE_URLS=http://+:8080 \
    FUNCTIONS_WORKER_RUNTIME=python \
    FUNCTIONS_WORKER_PROCESS_COUNT=1 \
    FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING=true \
    PYTHON_ENABLE_INIT_INDEXING=1 \
    OMP_WAIT_POLICY=passive \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    MODEL_DIR=/models \
    HF_HOME=/cache/huggingface \
    STEMWORKS_ROLE=gpu

RUN useradd --uid 10001 --no-log-init --no-create-home --home-dir /home --shell /usr/sbin/nologin stemworks \
    && mkdir -p /home/site/wwwroot /azure-functions-host/Secrets /models /cache/huggingface \
    && chown stemworks:stemworks /home /azure-functions-host/Secrets /models /cache /cache/huggingface

WORKDIR /home/site/wwwroot

# torch and NVIDIA's libraries by themselves: gigabytes, which then come again with no other change of a version.
ARG PIP_EXTRA_INDEX_URL=
ARG TORCH=torch==2.13.0
COPY infra/docker/constraints-cuda.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check --constraint constraints-cuda.txt "${TORCH}"

COPY constraints.txt requirements.txt requirements-gpu.txt requirements-gpu-nodeps.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check --constraint constraints-cuda.txt \
        --requirement requirements.txt --requirement requirements-gpu.txt \
    && pip install --no-cache-dir --disable-pip-version-check --no-deps --requirement requirements-gpu-nodeps.txt

COPY host.json function_app.py ./
COPY core core
COPY functions functions

COPY LICENSE infra/docker/check_image.py infra/docker/sbom.py /usr/local/share/stemworks/
RUN python -m compileall -q core functions function_app.py \
    && python /usr/local/share/stemworks/check_image.py requirements.txt requirements-gpu.txt requirements-gpu-nodeps.txt \
    && python /usr/local/share/stemworks/sbom.py /usr/local/share/stemworks/sbom.cdx.json

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Stemworks, gpu role" \
      org.opencontainers.image.description="A self-hosted, event-driven music backend: jobs of models, on a GPU" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

USER 10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8080, timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]

# The host itself, not the base's script: bash as process 1 passes no SIGTERM on, and the host would be killed unawares.
CMD ["/azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost"]
