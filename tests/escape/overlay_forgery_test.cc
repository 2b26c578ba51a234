// The marks by which the kernel's overlayfs knows what was removed, replaced or moved (0:0 devices,
// user.overlay.*): whoever can make them in a layer decides what the merged directory shows and
// what a commit removes. A session has rules (deny, read_only) for names that it could get at so.
#include <gtest/gtest.h>
#include <sys/xattr.h>

#include <string>
#include <vector>

#include "tests/escape/overlay_scene.h"
#include "tests/harness/scratch.h"

namespace escape {
namespace {

constexpr char kSecret[] = "nobody's business\n";

// Python, in the merged directory or (the control) in the upper one, where `d` has been copied up.
struct Forgery {
  const char* name;
  const char* script;
};

constexpr Forgery kForgeries[] = {
    {"WhiteoutDevice", "os.mknod('d/keep', stat.S_IFCHR | 0o644, 0)"},
    {"WhiteoutDeviceMovedIntoPlace",
     "os.mknod('d/w', stat.S_IFCHR | 0o644, 0); os.rename('d/w', 'd/keep')"},
    {"WhiteoutDeviceInAnotherDirectory",
     "os.mkdir('e'); os.mknod('e/keep', stat.S_IFCHR, 0); os.link('e/keep', 'd/keep')"},
    {"WhiteoutAttribute",
     "open('d/w', 'w').close(); os.setxattr('d/w', 'user.overlay.whiteout', b'y'); "
     "os.setxattr('d', 'user.overlay.opaque', b'x'); os.rename('d/w', 'd/keep')"},
    {"OpaqueDirectory", "os.setxattr('d', 'user.overlay.opaque', b'y')"},
    {"OpaqueDirectoryByDescriptor",
     "os.setxattr(os.open('d', os.O_RDONLY), 'user.overlay.opaque', b'y')"},
};

class OverlayForgery : public testing::TestWithParam<Forgery> {
 protected:
  static constexpr char kCopyUp[] = "open('d/own', 'a').write('mine\\n')\n";

  OverlayForgery() {
    harness::MakeDirectory(scene_.lower() + "/d");
    harness::WriteFile(scene_.lower() + "/d/keep", kSecret);
    harness::WriteFile(scene_.lower() + "/d/own", "own\n");
  }
  static std::vector<std::string> Python(const std::string& script) {
    return {"/usr/bin/python3", "-c", "import os, stat\n" + script};
  }
  static std::string Forging() {
    // Each statement alone: one that is refused does not save the next.
    std::string script;
    std::string rest = GetParam().script;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find("; "), rest.size());
      script += "try: " + rest.substr(0, end) + "\nexcept OSError: pass\n";
      rest.erase(0, std::min(end + 2, rest.size()));
    }
    return script;
  }
  // What a commit leaves of what the session had no right to.
  std::string KeptAfterCommit() {
    const harness::Outcome committed = scene_.Cli({"commit", scene_.Id()});
    EXPECT_EQ(committed.exit_code, 0) << committed.err;
    return harness::ReadFile(scene_.lower() + "/d/keep");
  }

  OverlayScene scene_;
};

INSTANTIATE_TEST_SUITE_P(Marks, OverlayForgery, testing::ValuesIn(kForgeries),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(OverlayForgery, InTheLayerItRemovesWhatTheSessionMayNot) {
  const harness::Outcome prepared = scene_.Run(Python(kCopyUp), {"--deny", "keep"});
  ASSERT_EQ(prepared.exit_code, 0) << prepared.err;
  const harness::Outcome forged =
      harness::Run({.argv = Python(Forging()), .directory = scene_.Upper()});
  ASSERT_EQ(forged.exit_code, 0) << forged.err;
  EXPECT_EQ(KeptAfterCommit(), "") << "the bare control: the forging proves nothing";
}

TEST_P(OverlayForgery, FromInsideItRemovesNothing) {
  const harness::Outcome session =
      scene_.Run(Python(kCopyUp + Forging() +
                        "try: print(open('d/keep').read())\nexcept OSError: print('denied')\n"
                        "try: os.stat('d/keep'); print('there')\nexcept OSError: print('gone')\n"),
                 {"--deny", "keep"});
  ASSERT_EQ(session.exit_code, 0) << session.err;
  EXPECT_EQ(session.out, "denied\nthere\n") << session.err;
  EXPECT_EQ(scene_.Cli({"diff", scene_.Id()}).out.find("keep"), std::string::npos);
  EXPECT_EQ(KeptAfterCommit(), kSecret);
  EXPECT_EQ(harness::ReadFile(scene_.lower() + "/d/own"), "own\nmine\n") << "the rest is committed";
}

// Marks that lead elsewhere. The control: an overlay of trusted marks that follows them, which only
// root can mount.
TEST(OverlayRedirect, MarksOfAnEarlierSessionLeadNowhere) {
  OverlayScene scene;
  const std::string lower = scene.lower();
  harness::MakeDirectory(lower + "/hidden");
  harness::WriteFile(lower + "/hidden/secret", kSecret);
  harness::WriteFile(lower + "/secret", kSecret);
  // The earlier session may write to the directory itself.
  harness::SessionFlags writing;
  writing.mounts = {lower};
  const char* const plant =
      "mkdir d; : > f; chmod 600 f; truncate -s 18 f; for n in redirect metacopy origin opaque; do "
      "for p in d f; do setfattr -n user.overlay.$n -v /hidden $p; done; done; "
      "setfattr -n user.overlay.redirect -v /secret f; getfattr -d -m user.overlay f d | grep -c =";
  const harness::Outcome planted =
      harness::RunEither(writing, {.argv = {"/bin/sh", "-c", plant}, .directory = lower});
  ASSERT_EQ(planted.out, "8\n") << planted.err;
  const char* const look =
      "cat f d/secret 2>/dev/null; ls d 2>/dev/null; (echo x > d/made) 2>/dev/null; cat "
      "hidden/made "
      "2>/dev/null; echo end";
  const harness::Outcome session = scene.Run({"/bin/sh", "-c", look}, {"--deny", "secret"});
  EXPECT_EQ(session.out.find("nobody"), std::string::npos) << session.out;
  EXPECT_EQ(session.out.find("secret\n"), std::string::npos) << session.out;
  EXPECT_EQ(session.out.substr(session.out.size() - std::min<size_t>(4, session.out.size())),
            "end\n");
  if (!harness::RunningAsRoot()) return;
  const std::string follow =
      "cd " + scene.Path("") +
      " && mkdir upper work merged upper/d && "
      "setfattr -n trusted.overlay.redirect -v /hidden upper/d && "
      "mount -t overlay -o redirect_dir=follow,lowerdir=lower,upperdir=upper,workdir=work overlay "
      "merged && cat merged/d/secret";
  const harness::Outcome control =
      harness::Run({.argv = {"/usr/bin/unshare", "--mount", "/bin/sh", "-c", follow}});
  EXPECT_EQ(control.out, kSecret) << "the bare control: " << control.err;
}

}  // namespace
}  // namespace escape
