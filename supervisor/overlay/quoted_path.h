// Names of hostile programs on their way to a terminal or into a patch.
#ifndef SUPERVISOR_OVERLAY_QUOTED_PATH_H_
#define SUPERVISOR_OVERLAY_QUOTED_PATH_H_

#include <string>
#include <string_view>

namespace sessionctl {

// The path as it is, or in git's way where it has a control character, a quote, a backslash or a
// byte above 127: "a\nb\303\244" in double quotes. Any thread.
std::string QuotedPath(std::string_view path);

// Is every byte of it part of a well-formed UTF-8 character?
bool IsUtf8(std::string_view text);

}  // namespace sessionctl

#endif  // SUPERVISOR_OVERLAY_QUOTED_PATH_H_
