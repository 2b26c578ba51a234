// A sessiond of the test's own, through its real socket and with real processes. The test process
// adopts whatever loses its parent, so that everything it has started stays below it and can be
// counted; at the end nothing may be left: no process, no descriptor, no directory, no socket.
#ifndef TESTS_INTEGRATION_SESSIOND_FIXTURE_H_
#define TESTS_INTEGRATION_SESSIOND_FIXTURE_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "sandbox/base/owned_fd.h"
#include "tests/integration/cli_runner.h"

namespace sessionctl {

struct ApiReply {
  int status = 0;  // 0: no answer
  std::string content_type;
  std::string body;  // without its framing
  bool complete = false;
  nlohmann::json Json() const { return nlohmann::json::parse(body, nullptr, false); }
};

// What there is of a sessiond at one time.
struct Traces {
  std::map<pid_t, std::string> processes;  // below the test, without zombies, by name
  pid_t sessiond = 0;
  int descriptors = 0;          // of sessiond
  std::set<std::string> names;  // in the state directory, without its log
};

class SessiondTest : public CliTest {
 protected:
  void SetUp() override;
  // Ends everything in the ordinary way, and expects that nothing is left.
  void TearDown() override;

  // `sessionctl serve FLAGS`, until it answers; its pid. What it logs is in ServeLog().
  pid_t StartSessiond(const std::vector<std::string>& flags = {});
  // The one that answers; 0: none does.
  pid_t Sessiond();
  pid_t ZygoteOf();
  // SIGKILL, until it is gone.
  void KillSessiond();
  // SIGTERM, until it has left; its sessions stay.
  void StopSessiond();
  // Starts `sessionctl ARGS` with its output in a file of this name in `scratch_`.
  pid_t StartInto(const std::string& file, const std::vector<std::string>& args);
  std::string Output(const std::string& file) { return ReadWholeFile(scratch_ + "/" + file); }
  std::string ServeLog() { return Output("serve.log"); }

  // One request with curl's means: no client code of the product's.
  ApiReply Api(const std::string& method, const std::string& target, const std::string& body = "");
  ApiReply Api(const std::string& method, const std::string& target, const nlohmann::json& body) {
    return Api(method, target, body.dump());
  }
  // A connection, for who wants to send something else; invalid: refused.
  OwnedFd ConnectApi();
  // Reads one answer to its end, or to the end of the stream.
  static ApiReply ReadAnswer(int connection);

  std::string StateDirectory() const;
  std::string DirectoryOf(const std::string& id) const { return StateDirectory() + "/" + id; }
  // `sh -c SCRIPT` in the mount; its id.
  std::string SpawnShell(const std::string& script, std::vector<std::string> flags = {});
  // The words of `spawn` for it.
  std::vector<std::string> ShellWords(const std::string& script,
                                      std::vector<std::string> flags = {}) const;
  // As the API answers; state "unknown" when it does not.
  nlohmann::json Session(const std::string& id);
  std::string StateOf(const std::string& id) { return Session(id).value("state", "unknown"); }
  std::string ReasonOf(const std::string& id);
  nlohmann::json Sessions(const std::string& query = "");
  pid_t PidOf(const std::string& id, const std::string& part);
  bool Appears(const std::string& name);
  // Types of the events until now, in order, of one session or of all.
  std::vector<std::string> EventTypes(const std::string& id = "");

  Traces Look();
  // Expects that processes, descriptors (of the same sessiond) and names become what they were.
  void ExpectTraces(const Traces& before);

 private:
  void ReapOrphans();
  std::map<pid_t, std::string> Descendants();

  std::set<pid_t> started_;  // whom the test awaits itself
};

std::vector<std::string> LinesOf(const std::string& text);
// The value at "/exit/code"; null when it is not there.
nlohmann::json At(const nlohmann::json& value, const std::string& pointer);

}  // namespace sessionctl

#endif  // TESTS_INTEGRATION_SESSIOND_FIXTURE_H_
