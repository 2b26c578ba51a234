// For the tests of what clients of the control API may do to it: whatever one does, the others are
// served, and afterwards the supervisor has as many descriptors and as much memory as before.
#ifndef TESTS_INTEGRATION_CONTROL_API_TEST_H_
#define TESTS_INTEGRATION_CONTROL_API_TEST_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/integration/sessiond_fixture.h"

namespace sessionctl {

class ControlApiTest : public SessiondTest {
 protected:
  void SetUp() override;
  // Expects what stood at the time of SetUp.
  void TearDown() override;

  // All of it, unless the other end stops taking it; how much was taken.
  static size_t SendAll(int connection, std::string_view bytes);
  // A connection that has sent this.
  OwnedFd Say(std::string_view bytes);
  // … and its answer.
  ApiReply Ask(std::string_view bytes) { return ReadAnswer(Say(bytes).get()); }
  void ExpectOthersAreServed();

  std::string SocketPath() const { return StateDirectory() + "/sessiond.sock"; }
  long Memory() const;  // KiB, resident

  pid_t sessiond_ = 0;

 private:
  Traces before_;
  long memory_ = 0;
};

// "GET /v1/health HTTP/1.1" and so on, with a Host and no body.
std::string Request(const std::string& line, const std::string& headers = "");
// Exit code of `work` in a child process.
int InChildProcess(const std::function<int()>& work);
// The status that a server at the other end of this path answers to GET /v1/health; 0: none.
int StatusAt(const std::string& path);

}  // namespace sessionctl

#endif  // TESTS_INTEGRATION_CONTROL_API_TEST_H_
