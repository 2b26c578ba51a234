#include "cli/supervisor_access.h"

#include <iostream>

#include "cli/command.h"
#include "fleet/exchange.h"
#include "nlohmann/json.hpp"

namespace sessionctl {

int WithClient(const std::function<int(const ControlClient&)>& action) {
  absl::StatusOr<ControlClient> client = ControlClient::OpenDefault();
  return client.ok() ? action(*client) : Fail(kExitOwnFailure, client.status());
}

std::string SessionTarget(const std::string& reference, const std::string& verb) {
  const std::string target = "/v1/sessions/" + PercentEncode(reference);
  return verb.empty() ? target : target + "/" + verb;
}

int FailReply(const ClientReply& reply) {
  // What is not found is what the command line names.
  const bool plain = reply.field.empty() || reply.field == "id" || reply.status == 404;
  const std::string field = plain ? "" : reply.field + ": ";
  return Fail(kExitNotFound, field + reply.detail);
}

void PrintJsonLine(const std::string& body) {
  const auto value = nlohmann::ordered_json::parse(body, nullptr, /*allow_exceptions=*/false);
  std::cout << value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)
            << std::endl;
}

int Ask(const ControlClient& client, const std::string& method, const std::string& target,
        const std::string& request, std::string* body) {
  absl::StatusOr<ClientReply> reply = client.Request(method, target, request);
  // Asking twice does no harm where nothing is changed.
  if (absl::IsUnavailable(reply.status()) && method == "GET")
    reply = client.Request(method, target);
  if (!reply.ok()) return Fail(kExitOwnFailure, reply.status());
  if (!reply->ok()) return FailReply(*reply);
  if (body != nullptr) *body = reply->body;
  return 0;
}

int AskUntilAnswered(const ControlClient& client, const std::string& method,
                     const std::string& target, const std::string& request, std::string* body) {
  constexpr int kTries = 20;
  absl::StatusOr<ClientReply> reply = absl::UnavailableError("");
  for (int i = 0; i < kTries && absl::IsUnavailable(reply.status()); ++i) {
    reply = client.Request(method, target, request);
  }
  if (!reply.ok()) return Fail(kExitOwnFailure, reply.status());
  if (!reply->ok()) return FailReply(*reply);
  if (body != nullptr) *body = reply->body;
  return 0;
}

std::string LabelQuery(const std::vector<std::string>& labels, const std::string& prefix) {
  std::string query;
  for (const std::string& label : labels) {
    query += (query.empty() ? prefix : "&") + "label=" + PercentEncode(label);
  }
  return query;
}

}  // namespace sessionctl
