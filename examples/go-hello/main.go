// Greets whoever the event names, with AWS's own library.
package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Name string `json:"name"`
}

type greeting struct {
	Message   string `json:"message"`
	Function  string `json:"function"`
	RequestID string `json:"requestId"`
}

func handle(ctx context.Context, event event) (greeting, error) {
	if event.Name == "" {
		event.Name = "world"
	}
	fmt.Println("greeting", event.Name)
	invocation, _ := lambdacontext.FromContext(ctx)
	return greeting{"Hello, " + event.Name + "!", lambdacontext.FunctionName, invocation.AwsRequestID}, nil
}

func main() {
	lambda.Start(handle)
}
