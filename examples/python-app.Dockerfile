# Builds an image of a Python program that contains the vocabularies, from the wheel. It needs no volume and no init container.
#
# The directory that `tiktoken-cache-init path` prints is a cache. A link gives it a name that stays the same.
FROM python:3.13-slim
RUN pip install --no-cache-dir tiktoken-cache-init && ln -s "$(tiktoken-cache-init path)" /tiktoken
ENV TIKTOKEN_CACHE_DIR=/tiktoken

RUN pip install --no-cache-dir tiktoken
CMD ["python", "-c", "import tiktoken; print(tiktoken.get_encoding('o200k_base').encode('hello world'))"]
