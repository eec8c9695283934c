// An extension after AWS's pages alone ("Using the Lambda Extensions API to create extensions", "Accessing real-time
// telemetry data for extensions using the Telemetry API"), in Go's standard library: it prints each body of telemetry
// byte for byte, one to a line, and each event that it is told.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const port = 4323

// A moment without telemetry after which a shutdown is not waited for any longer.
const quiet = 150 * time.Millisecond

type event struct {
	EventType      string `json:"eventType"`
	RequestID      string `json:"requestId"`
	ShutdownReason string `json:"shutdownReason"`
	DeadlineMs     int64  `json:"deadlineMs"`
}

func call(method, path string, headers map[string]string, body string) (http.Header, []byte) {
	url := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + path
	request, err := http.NewRequest(method, url, bytes.NewBufferString(body))
	if err != nil {
		log.Fatal(err)
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		log.Fatalf("%s %s: %s %s %v", method, path, answer.Status, read, err)
	}
	return answer.Header, read
}

func main() {
	log.SetFlags(0)
	name := filepath.Base(os.Args[0])
	registered, _ := call("POST", "/2020-01-01/extension/register",
		map[string]string{"Lambda-Extension-Name": name}, `{"events":["INVOKE","SHUTDOWN"]}`)
	identifier := map[string]string{"Lambda-Extension-Identifier": registered.Get("Lambda-Extension-Identifier")}

	came := make(chan struct{}, 1024)
	listener := http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("telemetry %s\n", body)
		came <- struct{}{}
	})
	go func() { log.Fatal(http.ListenAndServe(fmt.Sprintf(":%d", port), listener)) }()
	destination := fmt.Sprintf(`{"protocol":"HTTP","URI":"http://sandbox.localdomain:%d"}`, port)
	subscription := `{"schemaVersion":"2022-12-13","types":["platform","function"],"buffering":{"timeoutMs":25},"destination":` + destination + `}`
	call("PUT", "/2022-07-01/telemetry", identifier, subscription)

	for {
		_, body := call("GET", "/2020-01-01/extension/event/next", identifier, "")
		var next event
		if err := json.Unmarshal(body, &next); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("event %s\n", body)
		if next.EventType != "SHUTDOWN" {
			continue
		}
		end := time.After(time.Until(time.UnixMilli(next.DeadlineMs - 100)))
		for waiting := true; waiting; {
			select {
			case <-came:
			case <-time.After(quiet):
				waiting = false
			case <-end:
				waiting = false
			}
		}
		fmt.Println("over")
		return
	}
}
