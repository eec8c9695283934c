"""Makes a small picture of each that is put below `in/`."""

from urllib.parse import unquote_plus

import boto3
import png

LONGEST_SIDE = 32
s3 = boto3.client("s3")


def lambda_handler(event, context):
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        key = unquote_plus(record["s3"]["object"]["key"])
        picture = png.read(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        small = png.smaller(*picture, LONGEST_SIDE)
        target = "thumbnails/" + key.removeprefix("in/")
        s3.put_object(Bucket=bucket, Key=target, Body=png.write(*small), ContentType="image/png")
        print(f"{key}: {picture[0]}x{picture[1]} became {target}: {small[0]}x{small[1]}")
