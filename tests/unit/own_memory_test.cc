#include "sandbox/base/own_memory.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

namespace sessionctl {
namespace {

struct Free {
  void operator()(void* memory) const { free(memory); }
};
using Memory = std::unique_ptr<void, Free>;

Memory Allocate(size_t size) { return Memory(malloc(size)); }

uintptr_t AddressOf(const Memory& memory) { return reinterpret_cast<uintptr_t>(memory.get()); }

constexpr size_t kSize = 600;

// Half of what was allocated is given back, here and there.
std::vector<Memory> TearHeap() {
  std::vector<Memory> blocks(2000);
  for (Memory& block : blocks) block = Allocate(kSize);
  for (size_t i = 0; i < blocks.size(); i += 2) blocks[i].reset();
  return blocks;
}

// How many of 100 new blocks lie among those that are there.
int FindInHoles(const std::vector<Memory>& blocks) {
  uintptr_t last = 0;
  for (const Memory& block : blocks) last = std::max(last, AddressOf(block));
  std::vector<Memory> added(100);
  int inside = 0;
  for (Memory& block : added) {
    block = Allocate(kSize);
    if (AddressOf(block) < last) ++inside;
  }
  return inside;
}

bool IsLibcs(const std::vector<Memory>& blocks) {
  return mallinfo2().keepcost > 0 && AddressOf(blocks[1]) < reinterpret_cast<uintptr_t>(sbrk(0));
}

TEST(FilledHoles, WhatIsAllocatedThenLiesBehindAllThatIsThere) {
  const std::vector<Memory> blocks = TearHeap();
  if (!IsLibcs(blocks)) GTEST_SKIP() << "a sanitizer's allocator";
  ASSERT_EQ(FindInHoles(blocks), 100);  // else the test would show nothing
  FilledHoles holes;
  holes.Fill();
  EXPECT_EQ(FindInHoles(blocks), 0);
  holes.Fill();
  EXPECT_EQ(FindInHoles(blocks), 0);
}

TEST(FilledHoles, ReleasedAreUsedAgain) {
  const std::vector<Memory> blocks = TearHeap();
  if (!IsLibcs(blocks)) GTEST_SKIP() << "a sanitizer's allocator";
  FilledHoles holes;
  holes.Fill();
  holes.Release();
  EXPECT_GT(FindInHoles(blocks), 90);  // the rest lies where holes ended
}

}  // namespace
}  // namespace sessionctl
