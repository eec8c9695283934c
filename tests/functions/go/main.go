// A function with AWS's own library.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Value any     `json:"value"`
	Fail  string  `json:"fail"`
	Sleep float64 `json:"sleep"`
}

type result struct {
	Value     any    `json:"value"`
	Greeting  string `json:"greeting"`
	RequestID string `json:"request_id"`
}

func handle(ctx context.Context, event event) (result, error) {
	fmt.Println("printed by the function")
	if event.Fail != "" {
		return result{}, errors.New(event.Fail)
	}
	time.Sleep(time.Duration(event.Sleep * float64(time.Second)))
	lc, _ := lambdacontext.FromContext(ctx)
	return result{event.Value, os.Getenv("GREETING"), lc.AwsRequestID}, nil
}

func main() {
	lambda.Start(handle)
}
