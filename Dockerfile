# aisthesis on a CPU. Build and run the demo; its report lies in ./aisthesis-demo afterwards:
#   docker build -t aisthesis .
#   docker run --rm -u "$(id -u):$(id -g)" -v "$PWD:/data" aisthesis
# Any other command, on a study in this folder:
#   docker run --rm -u "$(id -u):$(id -g)" -v "$PWD:/data" aisthesis run study.toml
FROM python:3.12-slim

# The builds without CUDA: a fifth of the size.
RUN pip install --no-cache-dir "torch>=2.6" "torchvision>=0.21" \
    --index-url https://download.pytorch.org/whl/cpu

COPY pyproject.toml README.md LICENSE /source/
COPY src /source/src
RUN pip install --no-cache-dir "/source[timm,tables]" && rm -rf /source

# Whoever runs it may have no home here: caches go where everybody may write.
ENV HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib PYTHONUNBUFFERED=1
USER nobody
WORKDIR /data
ENTRYPOINT ["aisthesis"]
CMD ["demo", "--out", "aisthesis-demo"]
