#!/usr/bin/env bash
# Deploys the thumbnailer, puts a picture and shows what came of it. Needs a running server, the AWS CLI and Python.
cd "$(dirname "$0")"
. ../common.sh

deploy thumbnailer . --memory 256
aws s3api head-bucket --bucket pictures >/dev/null 2>&1 || aws s3 mb s3://pictures
allow thumbnailer s3.amazonaws.com arn:aws:s3:::pictures
aws s3api put-bucket-notification-configuration --bucket pictures --notification-configuration '{
    "LambdaFunctionConfigurations": [{
        "LambdaFunctionArn": "'"$(function_arn thumbnailer)"'",
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".png"}]}}
    }]
}'

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# A picture of 256 by 192 points, each of another colour.
python3 - "$folder/sky.png" <<'PY'
import sys

import png

rows = [bytes(value for x in range(256) for value in (x, y, 255 - x)) for y in range(192)]
open(sys.argv[1], "wb").write(png.write(256, 192, 2, rows))
PY
name="sky $RANDOM.png"
aws s3 cp "$folder/sky.png" "s3://pictures/in/$name"

is_there() { aws s3api head-object --bucket pictures --key "thumbnails/$name" >/dev/null 2>&1; }
until_true "the thumbnail" is_there
aws s3 cp "s3://pictures/thumbnails/$name" "$folder/small.png"
python3 -c 'import sys, png; width, height, *_ = png.read(open(sys.argv[1], "rb").read()); print(f"a thumbnail of {width} by {height}")' \
    "$folder/small.png"
