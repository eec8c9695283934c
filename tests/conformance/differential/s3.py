"""Amazon S3."""


def life(script):
    """Buckets and objects are made, shown, copied and deleted."""
    call = script.call
    call("create", "create_bucket", Bucket="life-bucket")
    call("bad name", "create_bucket", Bucket="Life_Bucket")
    call("head bucket", "head_bucket", Bucket="life-bucket")
    call("absent bucket", "head_bucket", Bucket="absent-bucket")
    call("location", "get_bucket_location", Bucket="life-bucket")
    call("put", "put_object", Bucket="life-bucket", Key="a/b c", Body=b"hello", ContentType="text/plain",
         Metadata={"who": "me"})
    call("put absent", "put_object", Bucket="absent-bucket", Key="a", Body=b"")
    call("get", "get_object", Bucket="life-bucket", Key="a/b c")
    call("range", "get_object", Bucket="life-bucket", Key="a/b c", Range="bytes=1-2")
    call("bad range", "get_object", Bucket="life-bucket", Key="a/b c", Range="bytes=9-")
    call("head", "head_object", Bucket="life-bucket", Key="a/b c")
    call("absent", "get_object", Bucket="life-bucket", Key="x")
    call("head absent", "head_object", Bucket="life-bucket", Key="x")
    call("if none match", "put_object", Bucket="life-bucket", Key="a/b c", Body=b"x", IfNoneMatch="*")
    call("if match", "get_object", Bucket="life-bucket", Key="a/b c", IfMatch='"x"')
    call("copy", "copy_object", Bucket="life-bucket", Key="copy", CopySource="life-bucket/a/b c")
    call("list", "list_objects_v2", Bucket="life-bucket")
    call("folders", "list_objects_v2", Bucket="life-bucket", Delimiter="/")
    call("page", "list_objects_v2", Bucket="life-bucket", MaxKeys=1)
    call("tag", "put_object_tagging", Bucket="life-bucket", Key="copy", Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    call("tags", "get_object_tagging", Bucket="life-bucket", Key="copy")
    call("delete with objects", "delete_bucket", Bucket="life-bucket")
    call("delete", "delete_object", Bucket="life-bucket", Key="x")
    call("delete many", "delete_objects", Bucket="life-bucket", Delete={"Objects": [{"Key": "a/b c"}, {"Key": "copy"}]})
    call("delete bucket", "delete_bucket", Bucket="life-bucket")
    call("delete again", "delete_bucket", Bucket="life-bucket")


def versions(script):
    """Versions are kept and marked deleted."""
    call = script.call
    call("create", "create_bucket", Bucket="versions-bucket")
    call("not yet", "get_bucket_versioning", Bucket="versions-bucket")
    call("enable", "put_bucket_versioning", Bucket="versions-bucket", VersioningConfiguration={"Status": "Enabled"})
    call("enabled", "get_bucket_versioning", Bucket="versions-bucket")
    first = call("first", "put_object", Bucket="versions-bucket", Key="k", Body=b"1")["VersionId"]
    call("second", "put_object", Bucket="versions-bucket", Key="k", Body=b"22")
    call("delete", "delete_object", Bucket="versions-bucket", Key="k")
    call("gone", "get_object", Bucket="versions-bucket", Key="k")
    call("there", "get_object", Bucket="versions-bucket", Key="k", VersionId=first)
    call("list", "list_object_versions", Bucket="versions-bucket")


def parts(script):
    """Objects are put in parts."""
    call = script.call
    call("create", "create_bucket", Bucket="parts-bucket")
    upload = call("begin", "create_multipart_upload", Bucket="parts-bucket", Key="k")["UploadId"]
    body = b"x" * (5 * 1024 * 1024)
    tags = []
    for number, part in ((1, body), (2, b"end")):
        answer = call(f"part {number}", "upload_part", Bucket="parts-bucket", Key="k", UploadId=upload,
                      PartNumber=number, Body=part)
        tags.append({"PartNumber": number, "ETag": answer["ETag"]})
    call("parts", "list_parts", Bucket="parts-bucket", Key="k", UploadId=upload)
    call("uploads", "list_multipart_uploads", Bucket="parts-bucket")
    call("wrong order", "complete_multipart_upload", Bucket="parts-bucket", Key="k", UploadId=upload,
         MultipartUpload={"Parts": tags[::-1]})
    call("complete", "complete_multipart_upload", Bucket="parts-bucket", Key="k", UploadId=upload,
         MultipartUpload={"Parts": tags})
    call("head", "head_object", Bucket="parts-bucket", Key="k")
    call("unknown upload", "upload_part", Bucket="parts-bucket", Key="k", UploadId="x", PartNumber=1, Body=b"")
    upload = call("begin again", "create_multipart_upload", Bucket="parts-bucket", Key="z")["UploadId"]
    call("abort", "abort_multipart_upload", Bucket="parts-bucket", Key="z", UploadId=upload)


SCRIPTS = [life, versions, parts]
