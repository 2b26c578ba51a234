#include "policy/glob_set.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sessionctl {
namespace {

GlobSet Compile(const std::vector<std::string>& patterns) {
  absl::StatusOr<GlobSet> set = GlobSet::Compile(patterns);
  EXPECT_TRUE(set.ok()) << set.status();
  return set.ok() ? *set : GlobSet();
}

// The pattern that covers `path`, or "".
std::string Match(const std::vector<std::string>& patterns, const std::string& path) {
  const GlobSet set = Compile(patterns);
  const std::string* match = set.Match(path);
  return match == nullptr ? "" : *match;
}

bool Covers(const std::string& pattern, const std::string& path) {
  return !Match({pattern}, path).empty();
}

TEST(GlobSet, NoPatternsCoverNothing) {
  EXPECT_EQ(GlobSet().Match("a"), nullptr);
  EXPECT_EQ(Compile({}).Match(""), nullptr);
  EXPECT_TRUE(Compile({}).empty());
  EXPECT_TRUE(GlobSet().StillCoveredAfterRename("a", "b", nullptr));
}

TEST(GlobSet, PatternWithoutSlashMatchesAtAnyDepth) {
  EXPECT_TRUE(Covers(".env", ".env"));
  EXPECT_TRUE(Covers(".env", "a/b/.env"));
  EXPECT_FALSE(Covers(".env", "a/.env2"));
  EXPECT_FALSE(Covers(".env", "x.env"));
  EXPECT_TRUE(Covers("dir/", "a/dir/f"));
}

TEST(GlobSet, PatternWithSlashIsAnchored) {
  EXPECT_TRUE(Covers("/a", "a"));
  EXPECT_FALSE(Covers("/a", "b/a"));
  EXPECT_TRUE(Covers(".git/hooks", ".git/hooks"));
  EXPECT_FALSE(Covers(".git/hooks", "sub/.git/hooks"));
  EXPECT_TRUE(Covers("**/.git/hooks", "sub/.git/hooks"));
  EXPECT_TRUE(Covers("**/.git/hooks", ".git/hooks"));
}

TEST(GlobSet, MatchOnDirectoryCoversAllBelow) {
  EXPECT_TRUE(Covers(".git/hooks", ".git/hooks/pre-commit"));
  EXPECT_TRUE(Covers("secrets", "x/secrets/a/b"));
  EXPECT_FALSE(Covers(".git/hooks", ".git"));
  EXPECT_FALSE(Covers(".git/hooks", ".git/hooks2"));
}

TEST(GlobSet, StarsStayInsideAComponent) {
  EXPECT_TRUE(Covers("*.pem", "keys/a.pem"));
  EXPECT_TRUE(Covers("*.pem", "keys/.pem"));
  EXPECT_FALSE(Covers("/*.pem", "keys/a.pem"));
  EXPECT_TRUE(Covers("/a*b*c", "aXbYc"));
  EXPECT_TRUE(Covers("/a*b*c", "abbcbc"));
  EXPECT_FALSE(Covers("/a*b*c", "a/b/c"));
  EXPECT_TRUE(Covers("/a?c", "abc"));
  EXPECT_FALSE(Covers("/a?c", "a/c"));
  EXPECT_FALSE(Covers("/a?c", "ac"));
}

TEST(GlobSet, DoubleStarSpansAnyNumberOfComponents) {
  EXPECT_TRUE(Covers("a/**/z", "a/z"));
  EXPECT_TRUE(Covers("a/**/z", "a/b/c/z/below"));
  EXPECT_FALSE(Covers("a/**/z", "b/z"));
  EXPECT_TRUE(Covers("a/**", "a"));
  EXPECT_TRUE(Covers("a/**", "a/b"));
  EXPECT_TRUE(Covers("**", ""));
  EXPECT_TRUE(Covers("**/**/x", "a/x"));
  EXPECT_TRUE(Covers("a/**/b/**/c", "a/1/b/2/3/c"));
  EXPECT_FALSE(Covers("a/**/b/**/c", "a/1/c/2/b"));
}

TEST(GlobSet, BracketsMatchOneByte) {
  EXPECT_TRUE(Covers("[abc].txt", "b.txt"));
  EXPECT_FALSE(Covers("[!abc].txt", "b.txt"));
  EXPECT_TRUE(Covers("[^abc].txt", "d.txt"));
  EXPECT_TRUE(Covers("[a-z0-9]x", "7x"));
  EXPECT_TRUE(Covers("[]]x", "]x"));
  EXPECT_TRUE(Covers("[a-]x", "-x"));
  EXPECT_TRUE(Covers("[\\]]x", "]x"));
  EXPECT_FALSE(Covers("[a-c]x", "dx"));
}

TEST(GlobSet, BackslashTakesTheNextByteLiterally) {
  EXPECT_TRUE(Covers("\\*", "*"));
  EXPECT_FALSE(Covers("\\*", "a"));
  EXPECT_TRUE(Covers("\\!x", "!x"));
  EXPECT_TRUE(Covers("a\\[b", "a[b"));
}

TEST(GlobSet, BytesThatAreNotUtf8AreMatched) {
  EXPECT_TRUE(Covers("*.key", "\xff\xfe.key"));
  EXPECT_TRUE(Covers("\xff*", "\xff\x80"));
}

TEST(GlobSet, BadPatternIsInvalidArgument) {
  for (const std::string& pattern :
       {std::string(), std::string("/"), std::string("//"), std::string("a/../b"), std::string("."),
        std::string("./a"), std::string("[ab"), std::string("a\\"), std::string("a\0b", 3),
        std::string("!a"), std::string("a[!]"), std::string("[a/b]")}) {
    const absl::StatusOr<GlobSet> set = GlobSet::Compile({"fine", pattern});
    EXPECT_EQ(set.status().code(), absl::StatusCode::kInvalidArgument) << pattern;
  }
}

TEST(GlobSet, ReportsThePatternOfTheHighestAncestor) {
  EXPECT_EQ(Match({"a/b/c", "a"}, "a/b/c"), "a");
  EXPECT_EQ(Match({"*.x", "f.x"}, "f.x"), "*.x");
  EXPECT_EQ(Match({"f.x", "*.x"}, "f.x"), "f.x");
}

TEST(GlobSet, RenameOfAnAncestorUncoversAnAnchoredPattern) {
  const GlobSet set = Compile({".git/hooks"});
  const std::string* uncovered = nullptr;
  EXPECT_FALSE(set.StillCoveredAfterRename(".git", "elsewhere", &uncovered));
  ASSERT_NE(uncovered, nullptr);
  EXPECT_EQ(*uncovered, ".git/hooks");
  EXPECT_TRUE(set.StillCoveredAfterRename("x", "y", &uncovered));
  EXPECT_TRUE(set.StillCoveredAfterRename("x", ".git", &uncovered));
  EXPECT_TRUE(set.StillCoveredAfterRename(".git/objects", "o", &uncovered));
}

TEST(GlobSet, RenameKeepsAnyDepthPatternsCovered) {
  const GlobSet set = Compile({".env", "**/.git/hooks"});
  EXPECT_TRUE(set.StillCoveredAfterRename("a/b", "c", nullptr));
  // But what already stood behind ".git" needs ".git" in front of it.
  EXPECT_FALSE(set.StillCoveredAfterRename("a/.git", "a/git", nullptr));
  EXPECT_TRUE(set.StillCoveredAfterRename("a/.git", "b/c/.git", nullptr));
}

TEST(GlobSet, RenameOutOfADoubleStarTreeUncovers) {
  const GlobSet set = Compile({"a/**/secret"});
  EXPECT_FALSE(set.StillCoveredAfterRename("a/b", "c", nullptr));
  EXPECT_TRUE(set.StillCoveredAfterRename("a/b", "a/c/d", nullptr));
}

TEST(GlobSet, RenameOfACoveredPathUncoversIt) {
  const GlobSet set = Compile({"secret", "vault/**"});
  EXPECT_FALSE(set.StillCoveredAfterRename("secret", "public", nullptr));
  EXPECT_TRUE(set.StillCoveredAfterRename("secret", "vault/x", nullptr));
  EXPECT_FALSE(set.StillCoveredAfterRename("", "x", nullptr));
}

// A reference that has no automaton: tries every split of the components.
bool SlowMatch(const std::vector<std::string>& pattern, size_t p,
               const std::vector<std::string>& path, size_t t) {
  if (p == pattern.size()) return true;  // covers all below
  if (pattern[p] == "**") {
    for (size_t i = t; i <= path.size(); ++i) {
      if (SlowMatch(pattern, p + 1, path, i)) return true;
    }
    return false;
  }
  return t < path.size() && (pattern[p] == "*" || pattern[p] == path[t]) &&
         SlowMatch(pattern, p + 1, path, t + 1);
}

std::string Join(const std::vector<std::string>& components) {
  std::string path;
  for (const std::string& component : components) {
    absl::StrAppend(&path, path.empty() ? "" : "/", component);
  }
  return path;
}

// Every sequence of at most `length` words.
std::vector<std::vector<std::string>> Sequences(const std::vector<std::string>& words,
                                                size_t length) {
  std::vector<std::vector<std::string>> all = {{}};
  for (size_t begin = 0; length > 0; --length) {
    const size_t end = all.size();
    for (; begin < end; ++begin) {
      for (const std::string& word : words) {
        std::vector<std::string> longer = all[begin];
        longer.push_back(word);
        all.push_back(longer);
      }
    }
  }
  return all;
}

TEST(GlobSet, AgreesWithAReferenceOnAllSmallPatternsAndPaths) {
  int compared = 0;
  for (const std::vector<std::string>& pattern : Sequences({"a", "b", "*", "**"}, 4)) {
    if (pattern.empty()) continue;
    const GlobSet set = Compile({"/" + Join(pattern)});
    for (const std::vector<std::string>& path : Sequences({"a", "b", "c"}, 4)) {
      const bool expected = SlowMatch(pattern, 0, path, 0);
      ASSERT_EQ(set.Match(Join(path)) != nullptr, expected)
          << Join(pattern) << " on " << Join(path);
      ++compared;
    }
  }
  EXPECT_GT(compared, 40000);
}

TEST(GlobSet, RenameCheckIsSoundOnAllSmallCases) {
  const std::vector<std::vector<std::string>> ends = Sequences({"a", "b"}, 2);
  const std::vector<std::vector<std::string>> contents = Sequences({"a", "b", "c"}, 3);
  for (const std::vector<std::string>& pattern : Sequences({"a", "b", "*", "**"}, 3)) {
    if (pattern.empty()) continue;
    const GlobSet set = Compile({"/" + Join(pattern)});
    for (const std::vector<std::string>& from : ends) {
      for (const std::vector<std::string>& to : ends) {
        if (!set.StillCoveredAfterRename(Join(from), Join(to), nullptr)) continue;
        for (const std::vector<std::string>& content : contents) {
          std::vector<std::string> before = from;
          before.insert(before.end(), content.begin(), content.end());
          std::vector<std::string> after = to;
          after.insert(after.end(), content.begin(), content.end());
          ASSERT_TRUE(set.Match(Join(before)) == nullptr || set.Match(Join(after)) != nullptr)
              << Join(pattern) << ": " << Join(before) << " to " << Join(after);
        }
      }
    }
  }
}

double MatchMicroseconds(const GlobSet& set, const std::string& path) {
  constexpr int kRounds = 20;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kRounds; ++i) EXPECT_EQ(set.Match(path), nullptr);
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
             .count() /
         kRounds;
}

TEST(GlobSet, TenThousandPatternsMatchQuickly) {
  std::vector<std::string> literals;
  std::vector<std::string> wildcards;
  for (int i = 0; i < 10000; ++i) {
    literals.push_back(absl::StrCat("dir", i % 100, "/secret", i));
    literals.push_back(absl::StrCat("secret", i, ".txt"));
    wildcards.push_back(absl::StrCat("*.kind", i));
  }
  const std::string path = "dir7/a/b/c/d/e/f/g/name.txt";
  // Generous: sanitizers and a busy machine. The literals alone take a microsecond or two.
  EXPECT_LT(MatchMicroseconds(Compile(literals), path), 2000);
  EXPECT_LT(MatchMicroseconds(Compile(wildcards), path), 50000);
}

TEST(GlobSet, HostilePatternsAndNamesStayPolynomial) {
  std::string stars;
  std::string deep = "**";
  for (int i = 0; i < 60; ++i) {
    stars += "a*";
    deep += "/a/**";
  }
  const GlobSet set = Compile({stars + "b", deep + "/b"});
  std::string path = std::string(255, 'a');
  for (int i = 0; i < 1000; ++i) path += "/a";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(set.Match(path), nullptr);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

}  // namespace
}  // namespace sessionctl
