// Ways from inside a session to the layers of its overlay: what stands in the upper directory has
// passed no rule, and what is changed in it changes the merged directory under everybody.
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/escape/overlay_scene.h"
#include "tests/harness/scratch.h"

namespace escape {
namespace {

// Says "reached" when it has made a file in the upper directory itself. {upper} is its path. Each
// is tried in an overlay that whoever runs the test has mounted, too.
struct Way {
  const char* name;
  const char* script;
};

constexpr char kTry[] =
    "try_in() { touch \"$1/forged\" 2>/dev/null && [ -e \"$1/forged\" ] && echo reached; }\n";

constexpr Way kWays[] = {
    {"ByItsName", "try_in {upper}"},
    {"ByTheOptionsOfItsMount",
     "try_in \"$(sed -n 's/.*upperdir=\\([^, ]*\\).*/\\1/p' /proc/self/mountinfo 2>/dev/null | "
     "head "
     "-1)\"; try_in \"$(sed -n 's/.*upperdir=\\([^, ]*\\).*/\\1/p' /proc/mounts | head -1)\""},
    {"ThroughItsOwnRoot", "try_in /proc/self/root{upper}"},
    {"ThroughAnyProcesssRoot", "for p in /proc/[0-9]*; do try_in $p/root{upper}; done"},
    {"ThroughAnyProcesssDescriptors",
     "for fd in /proc/[0-9]*/fd/*; do [ \"$(readlink $fd)\" = {upper} ] && try_in $fd; done"},
    {"ByALinkInTheMergedDirectory", "ln -s {upper} way && try_in way"},
    {"AboveTheMergedDirectory", "try_in ../../../../../../../..{upper}"},
};

class OverlayLayer : public testing::TestWithParam<Way> {
 protected:
  OverlayLayer() { harness::WriteFile(scene_.lower() + "/f", "lower\n"); }
  static std::string Script(const std::string& upper) {
    std::string script = kTry + std::string(GetParam().script);
    const std::string mark = "{upper}";
    for (size_t at; (at = script.find(mark)) != std::string::npos;) {
      script.replace(at, mark.size(), upper);
    }
    return script;
  }
  OverlayScene scene_;
};

INSTANTIATE_TEST_SUITE_P(Ways, OverlayLayer, testing::ValuesIn(kWays),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(OverlayLayer, IsReachedBareOnly) {
  const std::string bare = scene_.Path("bare");
  for (const char* name : {"/upper", "/work", "/merged"}) harness::MakeDirectory(bare + name);
  harness::WriteFile(scene_.Path("way.sh"), Script(bare + "/upper"));
  const std::string mounted = "mount -t overlay -o userxattr,lowerdir=" + scene_.lower() +
                              ",upperdir=" + bare + "/upper,workdir=" + bare + "/work overlay " +
                              bare + "/merged && cd " + bare + "/merged && exec 7<" + bare +
                              "/upper && . " + scene_.Path("way.sh");
  const harness::Outcome control = harness::Run(
      {.argv = {"/usr/bin/unshare", "--map-root-user", "--mount", "/bin/sh", "-c", mounted}});
  ASSERT_NE(control.out.find("reached\n"), std::string::npos)
      << "the bare control: " << control.err;
  // The session first learns where its layer is: it is told.
  const std::string tell = scene_.Path("tell");
  harness::MakeDirectory(tell);
  const std::string learn =
      "i=0; until [ -e " + tell +
      "/upper-is ]; do sleep 0.02; i=$((i+1)); [ $i = 3000 ] && exit 1; done; "
      ". " +
      tell + "/upper-is; echo end";
  harness::Child session(
      {.argv = scene_.SessionArgv({"/bin/sh", "-c", "echo x > begun; " + learn}, {"--mount", tell}),
       .directory = "/"});
  for (int i = 0; i < 5000; ++i) {
    if (!scene_.Id().empty() && harness::Exists(scene_.Upper() + "/begun")) break;
    usleep(1000);
  }
  const std::string upper = scene_.Upper();
  harness::WriteFile(tell + "/upper-is.new", Script(upper));
  rename((tell + "/upper-is.new").c_str(), (tell + "/upper-is").c_str());
  const harness::Outcome outcome = session.Wait();
  EXPECT_EQ(outcome.out, "end\n") << outcome.err;
  EXPECT_FALSE(harness::Exists(upper + "/forged"));
}

}  // namespace
}  // namespace escape
