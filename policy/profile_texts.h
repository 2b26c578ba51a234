// The text of policy/profiles/*.toml, put into the program by the build (policy/CMakeLists.txt).
#ifndef POLICY_PROFILE_TEXTS_H_
#define POLICY_PROFILE_TEXTS_H_

#include <string_view>
#include <vector>

namespace sessionctl {

struct ProfileText {
  std::string_view name;
  std::string_view text;
};

// By name.
const std::vector<ProfileText>& ProfileTexts();

}  // namespace sessionctl

#endif  // POLICY_PROFILE_TEXTS_H_
