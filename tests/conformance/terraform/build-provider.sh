#!/bin/sh
# Builds Terraform's provider for AWS, version 3.3.0, for test_terraform.py: the newest that Go's module proxy has as a
# module under its first name. It takes a quarter of an hour of one processor, 3 GB of memory and 2 GB of disk, so CI
# does not do it; with the program at target/terraform/terraform-provider-aws, or where LAMBENT_TEST_TERRAFORM_PROVIDER
# says, the tests run, and without it they are skipped.
set -eu
module=github.com/terraform-providers/terraform-provider-aws@v1.60.1-0.20200820211857-51f8bae0d4ee
repository=$(cd "$(dirname "$0")/../../.." && pwd)
out="${1:-$repository/target/terraform/terraform-provider-aws}"
source=$(mktemp -d)
trap 'chmod -R u+w "$source"; rm -rf "$source"' EXIT
folder=$(go mod download -json "$module" | sed -n 's/^\t*"Dir": "\(.*\)",$/\1/p')
cp -R "$folder/go.mod" "$folder/go.sum" "$folder/main.go" "$folder/aws" "$source"
chmod -R u+w "$source"
rm -f "$source"/aws/*_test.go
mkdir -p "$(dirname "$out")"
cd "$source"
# One package at a time: the largest takes as much memory as a small machine has.
GOFLAGS=-mod=mod GOGC=50 nice -n 10 go build -p 1 -ldflags='-s -w' -o "$out" .
echo "$out"
