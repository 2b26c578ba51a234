#include "fleet/problem.h"

#include <array>

#include "nlohmann/json.hpp"

namespace sessionctl {
namespace {

struct StatusName {
  int status;
  const char* text;
};
constexpr std::array<StatusName, 22> kStatusNames = {{{101, "Switching Protocols"},
                                                      {200, "OK"},
                                                      {201, "Created"},
                                                      {202, "Accepted"},
                                                      {204, "No Content"},
                                                      {400, "Bad Request"},
                                                      {403, "Forbidden"},
                                                      {404, "Not Found"},
                                                      {405, "Method Not Allowed"},
                                                      {408, "Request Timeout"},
                                                      {409, "Conflict"},
                                                      {413, "Content Too Large"},
                                                      {417, "Expectation Failed"},
                                                      {422, "Unprocessable Content"},
                                                      {426, "Upgrade Required"},
                                                      {429, "Too Many Requests"},
                                                      {431, "Request Header Fields Too Large"},
                                                      {500, "Internal Server Error"},
                                                      {502, "Bad Gateway"},
                                                      {503, "Service Unavailable"},
                                                      {504, "Gateway Timeout"},
                                                      {505, "HTTP Version Not Supported"}}};

struct StatusMapping {
  absl::StatusCode from;
  int status;
  const char* code;
};
constexpr std::array<StatusMapping, 8> kMappings = {
    {{absl::StatusCode::kNotFound, 404, "not_found"},
     {absl::StatusCode::kInvalidArgument, 400, "invalid"},
     {absl::StatusCode::kFailedPrecondition, 409, "conflict"},
     {absl::StatusCode::kAlreadyExists, 409, "exists"},
     {absl::StatusCode::kResourceExhausted, 503, "exhausted"},
     {absl::StatusCode::kUnavailable, 503, "unavailable"},
     {absl::StatusCode::kDeadlineExceeded, 504, "timeout"},
     {absl::StatusCode::kPermissionDenied, 403, "forbidden"}}};

}  // namespace

const char* StatusText(int status) {
  for (const StatusName& each : kStatusNames) {
    if (each.status == status) return each.text;
  }
  return "Unknown";
}

HttpReply Problem(int status, const std::string& code, const std::string& detail,
                  const std::string& field) {
  nlohmann::ordered_json problem = {{"type", "about:blank"},
                                    {"title", StatusText(status)},
                                    {"status", status},
                                    {"code", code},
                                    {"detail", detail}};
  if (!field.empty()) problem["field"] = field;
  return {.status = status,
          .content_type = "application/problem+json",
          .body = problem.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) +
                  "\n"};
}

HttpReply ProblemOf(const absl::Status& status, const std::string& field) {
  for (const StatusMapping& each : kMappings) {
    if (each.from == status.code()) {
      return Problem(each.status, each.code, std::string(status.message()), field);
    }
  }
  return Problem(500, "internal", std::string(status.message()), field);
}

}  // namespace sessionctl
