# Builds an image of New-API that contains the vocabularies. It needs no volume, no init container and no mount.
#
#   docker build -t tiktoken-cache-init /path/to/tiktoken-cache-init
#   docker build -t new-api-offline - <new-api.Dockerfile
#
# For another program, change the second FROM. In your own Dockerfile, add the ARG
# line and the first FROM at the top, and the last two lines at the end.
# To use an image from your registry, add: --build-arg TIKTOKEN_CACHE_INIT_IMAGE=NAME
ARG TIKTOKEN_CACHE_INIT_IMAGE=tiktoken-cache-init
FROM ${TIKTOKEN_CACHE_INIT_IMAGE} AS tiktoken

FROM calciumion/new-api:v0.8.2.0
COPY --from=tiktoken /vocabularies /tiktoken
ENV TIKTOKEN_CACHE_DIR=/tiktoken
