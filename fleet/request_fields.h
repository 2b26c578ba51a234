// Reads what an API client has sent, member by member: each is of its type and within its bounds,
// or wrong; a member that nobody has asked for is wrong too, so that a word that is misspelt is not
// taken for one that is missing. Pure; any thread.
#ifndef FLEET_REQUEST_FIELDS_H_
#define FLEET_REQUEST_FIELDS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "nlohmann/json_fwd.hpp"

namespace sessionctl {

// A value that an API client got wrong, and where.
struct FieldError {
  std::string field;  // "environment.HOME", "stop.signal", "command[2]"
  std::string message;
};

// The members of a JSON object.
class BodyFields {
 public:
  // `object` must be an object, and outlive this.
  explicit BodyFields(const nlohmann::ordered_json& object) : object_(object) {}

  bool Flag(const char* name, bool otherwise);
  std::optional<int64_t> Integer(const char* name, int64_t least, int64_t most);
  std::optional<std::string> Text(const char* name, size_t longest);
  // Of any type; nullptr: not there.
  const nlohmann::ordered_json* Any(const char* name);
  // For a member that was read by Any.
  void Refuse(const std::string& field, const std::string& message);

  // The first that was wrong.
  std::optional<FieldError> Wrong() const;

 private:
  const nlohmann::ordered_json& object_;
  std::set<std::string> known_;
  std::optional<FieldError> wrong_;
};

// The parameters of a query, whose names Dispatch has looked at already.
class QueryFields {
 public:
  explicit QueryFields(const std::map<std::string, std::string>& query) : query_(query) {}

  bool Flag(const char* name);  // "1", "true", "0", "false"
  std::optional<uint64_t> Number(const char* name, uint64_t most);

  std::optional<FieldError> Wrong() const { return wrong_; }

 private:
  const std::map<std::string, std::string>& query_;
  std::optional<FieldError> wrong_;
};

}  // namespace sessionctl

#endif  // FLEET_REQUEST_FIELDS_H_
