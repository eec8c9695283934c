#!/bin/sh
# Builds the native part of aws-lambda-ric 3.3.0, AWS's client for Node.js: build-node-client.sh FOLDER
#
# FOLDER is where npm has installed the package with --ignore-scripts. Its own scripts build the bundled curl with
# autoconf and libtool; these need cmake, which they need anyway, with the same choices: HTTP alone, no TLS, no
# compression, no threads. Needs cmake, make and a C++ compiler.
set -eu
# Progress is of no interest; what goes wrong is written to standard error.
exec >/dev/null

cd "$1/deps"
. ./versions
tar xzf "curl-$CURL_VERSION.tar.gz" --no-same-owner
tar xzf "aws-lambda-cpp-$AWS_LAMBDA_CPP_RELEASE.tar.gz" --no-same-owner
artifacts="$PWD/artifacts"

cmake -S "curl-curl-$CURL_VERSION" -B curl-build \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$artifacts" -DCMAKE_INSTALL_LIBDIR=lib \
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DCMAKE_C_FLAGS=-DCURL_DISABLE_SOCKETPAIR=1 \
    -DBUILD_SHARED_LIBS=OFF -DBUILD_CURL_EXE=OFF -DBUILD_TESTING=OFF -DENABLE_MANUAL=OFF \
    -DHTTP_ONLY=ON -DCURL_ENABLE_SSL=OFF -DCURL_USE_OPENSSL=OFF -DCURL_ZLIB=OFF -DUSE_LIBIDN2=OFF \
    -DCURL_USE_LIBSSH2=OFF -DENABLE_IPV6=OFF -DENABLE_UNIX_SOCKETS=OFF \
    -DENABLE_THREADED_RESOLVER=OFF -DCURL_DISABLE_COOKIES=ON -DCURL_DISABLE_VERBOSE_STRINGS=ON
cmake --build curl-build
cmake --install curl-build

cmake -S "aws-lambda-cpp-$AWS_LAMBDA_CPP_RELEASE" -B cpp-build \
    -DCMAKE_CXX_FLAGS=-fPIC -DCMAKE_INSTALL_PREFIX="$artifacts" -DCMAKE_PREFIX_PATH="$artifacts"
cmake --build cpp-build
cmake --install cpp-build

cd ..
npm run build:gyp
cp build/Release/rapid-client.node dist/
