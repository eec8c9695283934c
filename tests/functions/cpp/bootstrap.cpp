// A custom runtime in C++ without any library, after "Using the Lambda runtime API for custom runtimes" (AWS Lambda
// Developer Guide): one kept connection, one event after the other.
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>

namespace {

const std::string API = "/2018-06-01/runtime/invocation/";

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

struct Response {
  std::string head, body;

  // Of a header, whose name is given in lower case.
  std::string header(const std::string& name) const {
    std::string lower = head;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    const auto at = lower.find("\r\n" + name + ": ");
    if (at == std::string::npos) return "";
    const auto begin = at + name.size() + 4;
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }
};

class Connection {
 public:
  explicit Connection(const std::string& address) : address_(address) {
    const auto colon = address.rfind(':');
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(address.substr(0, colon).c_str(), address.substr(colon + 1).c_str(), &hints, &found) != 0)
      throw std::runtime_error("the runtime API has no address");
    socket_ = socket(found->ai_family, found->ai_socktype, 0);
    const bool connected = connect(socket_, found->ai_addr, found->ai_addrlen) == 0;
    freeaddrinfo(found);
    if (!connected) throw std::runtime_error("the runtime API does not listen");
  }

  Response ask(const std::string& method, const std::string& path, const std::string& more = "",
               const std::string& body = "") {
    const std::string text = method + " " + API + path + " HTTP/1.1\r\nHost: " + address_ + "\r\n" + more +
                             "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    for (size_t sent = 0; sent < text.size();) {
      const ssize_t count = write(socket_, text.data() + sent, text.size() - sent);
      if (count <= 0) throw std::runtime_error("the connection is gone");
      sent += static_cast<size_t>(count);
    }
    size_t end;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) receive();
    Response response{buffer_.substr(0, end + 2), ""};
    const std::string length = response.header("content-length");
    const size_t bytes = length.empty() ? 0 : std::stoul(length);
    while (buffer_.size() < end + 4 + bytes) receive();
    response.body = buffer_.substr(end + 4, bytes);
    buffer_.erase(0, end + 4 + bytes);
    return response;
  }

 private:
  void receive() {
    char part[65536];
    const ssize_t count = read(socket_, part, sizeof part);
    if (count <= 0) throw std::runtime_error("the connection is gone");
    buffer_.append(part, static_cast<size_t>(count));
  }

  std::string address_, buffer_;
  int socket_ = -1;
};

// The few events of the tests, without a JSON parser.
std::optional<std::string> member(const std::string& event, const std::string& name) {
  const std::string begin = "{\"" + name + "\": ";
  if (event.rfind(begin, 0) != 0) return std::nullopt;
  return event.substr(begin.size(), event.size() - begin.size() - 1);
}

std::string handle(const std::string& event, const std::string& id) {
  std::cerr << "printed by the function" << std::endl;
  if (const auto text = member(event, "fail")) throw std::invalid_argument(text->substr(1, text->size() - 2));
  if (const auto seconds = member(event, "sleep")) sleep(static_cast<unsigned>(std::stoul(*seconds)));
  return "{\"value\": " + member(event, "value").value_or("null") + ", \"greeting\": \"" + variable("GREETING") +
         "\", \"request_id\": \"" + id + "\"}";
}

}  // namespace

int main() {
  Connection api(variable("AWS_LAMBDA_RUNTIME_API"));
  for (;;) {
    const Response next = api.ask("GET", "next");
    const std::string id = next.header("lambda-runtime-aws-request-id");
    try {
      api.ask("POST", id + "/response", "", handle(next.body, id));
    } catch (const std::invalid_argument& error) {
      const std::string body =
          std::string("{\"errorMessage\": \"") + error.what() + "\", \"errorType\": \"std::invalid_argument\"}";
      api.ask("POST", id + "/error", "Lambda-Runtime-Function-Error-Type: std::invalid_argument\r\n", body);
    }
  }
}
