// A lower directory, a layer above it, and sessions whose work is a shell script in the kernel's
// own overlayfs: in a mount namespace for root, in a user namespace for an ordinary user.
#ifndef TESTS_OVERLAY_OVERLAY_CASE_H_
#define TESTS_OVERLAY_OVERLAY_CASE_H_

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/harness/child.h"
#include "tests/harness/scratch.h"

namespace overlay {

enum class Who { kRoot, kOrdinaryUser };
std::string WhoName(const testing::TestParamInfo<Who>& info);
extern const char kDescribe[];  // a Python program: the objects below its working directory
inline constexpr uid_t kOrdinaryUser = 1000;

class OverlayCase : public testing::TestWithParam<Who> {
 protected:
  OverlayCase();
  void SetUp() override;

  // As who the case is for: a script in the lower directory, before or after the session; one in
  // the session's overlay. Both must succeed.
  void InLower(const std::string& script);
  void InSession(const std::string& script);
  // Waits until file times tell what follows from what was.
  static void LetTimePass();

  // The driver's own verbs: its words, then what it printed.
  harness::Outcome Driver(std::vector<std::string> words);
  nlohmann::json DriverJson(const std::vector<std::string>& words);
  // By path; `deleted` ones of a rename are under their own path.
  std::map<std::string, nlohmann::json> Changes();
  // "added a/b" …, one line a change, in the order in which they came.
  std::string ChangeLines();

  // A description of every object in the lower directory, to compare by.
  std::string LowerTree();
  harness::Outcome RunAs(const std::vector<std::string>& argv, const std::string& directory);

  harness::ScratchDirectory scratch_;
  const std::string lower_, layer_;
};

}  // namespace overlay

#endif  // TESTS_OVERLAY_OVERLAY_CASE_H_
