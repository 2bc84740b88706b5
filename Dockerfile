# The package with TensorFlow's CUDA libraries; not built by this project's CI.
#   docker build -t dglgan .
#   docker run --gpus=all -v $PWD/runs:/training/runs dglgan \
#       dglgan-compress --gin_file=quickstart --run_dir=runs/quickstart
FROM python:3.11-slim

WORKDIR /opt/dglgan_tf
COPY . .
RUN pip install --no-cache-dir --constraint constraints.txt '.[cuda,metrics,data]'
WORKDIR /training
CMD ["dglgan-doctor"]
