# A gateway's image with the vocabularies in it: no volume, no init container, nothing to mount.
#
#   docker build --target data -t tiktoken-cache-init:data /path/to/tiktoken-cache-init
#   docker build -t new-api-offline - <new-api.Dockerfile
#
# For another consumer, change the first line; in a Dockerfile of your own, add the last two.
FROM calciumion/new-api:v0.8.2.0
COPY --from=tiktoken-cache-init:data / /tiktoken/
ENV TIKTOKEN_CACHE_DIR=/tiktoken
