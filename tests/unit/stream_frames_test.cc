#include "supervisor/stream_frames.h"

#include <string>

#include "gtest/gtest.h"
#include "supervisor/session_control.h"

namespace sessionctl {
namespace {

TEST(StreamFrames, AreAsDockersHeaderSays) {
  EXPECT_EQ(EncodeFrame(FrameType::kStderr, "abc"), std::string("\x02\0\0\0\0\0\0\x03"
                                                                "abc",
                                                                11));
  EXPECT_EQ(EncodeFrame(FrameType::kStdin, ""), std::string("\0\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(EncodeTerminalSize({.rows = 300, .columns = 80}), std::string("\x01\x2c\0\x50", 4));
}

TEST(StreamFrames, ComeWholeHoweverTheBytesCome) {
  const std::string large(kMaxFramePayload, 'x');
  const std::string bytes = EncodeFrame(FrameType::kStdout, "one") +
                            EncodeFrame(FrameType::kStdin, "") +
                            EncodeFrame(FrameType::kStderr, large);
  for (const size_t step : {size_t{1}, size_t{7}, bytes.size()}) {
    FrameReader reader;
    std::string seen;
    for (size_t at = 0; at < bytes.size(); at += step) {
      reader.Append(std::string_view(bytes).substr(at, step));
      for (;;) {
        absl::StatusOr<std::optional<Frame>> frame = reader.Next();
        ASSERT_TRUE(frame.ok());
        if (!frame->has_value()) break;
        seen += EncodeFrame((*frame)->type, (*frame)->payload);
      }
    }
    EXPECT_TRUE(seen == bytes) << step;
    EXPECT_EQ(reader.waiting(), 0U);
  }
}

TEST(StreamFrames, WhatIsNoneIsAnErrorBeforeItsPayloadComes) {
  for (const std::string& bytes :
       {std::string("\x07\0\0\0\0\0\0\0", 8), std::string("\xff\0\0\0\0\0\0\0", 8),
        std::string("\0\x01\0\0\0\0\0\0", 8), std::string("\0\0\0\x01\0\0\0\0", 8),
        std::string("\0\0\0\0\0\x01\0\x01", 8), std::string("\0\0\0\0\xff\xff\xff\xff", 8)}) {
    FrameReader reader;
    reader.Append(bytes);
    EXPECT_FALSE(reader.Next().ok());
  }
}

TEST(StreamFrames, PayloadsComeBack) {
  const absl::StatusOr<StreamExit> exit =
      DecodeStreamExit(EncodeStreamExit({.code = 3, .signal = {}, .reason = "exited"}));
  ASSERT_TRUE(exit.ok());
  EXPECT_EQ(exit->code, 3);
  EXPECT_EQ(exit->signal, std::nullopt);
  EXPECT_EQ(exit->reason, "exited");
  EXPECT_FALSE(DecodeStreamExit("[]").ok());
  EXPECT_FALSE(DecodeStreamExit("{").ok());
  EXPECT_EQ(DecodeTerminalSize("abc"), std::nullopt);
  EXPECT_EQ(DecodeTerminalSize(EncodeTerminalSize({.rows = 65535, .columns = 1}))->rows, 65535);
}

TEST(SessionControl, RequestsComeBack) {
  ControlRequest request = {.operation = ControlRequest::Operation::kExec,
                            .early = std::string("\0\xff raw", 6),
                            .preamble = "HTTP/1.1 101 x\r\n\r\n",
                            .stdin_open = false,
                            .terminal = TerminalSize{.rows = 12, .columns = 34},
                            .argv = {"sh", "-c", ""},
                            .environment = {"A=b=c"},
                            .working_directory = "/tmp"};
  absl::StatusOr<ControlRequest> read = ControlRequestFromJson(ControlRequestToJson(request));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->operation, request.operation);
  EXPECT_EQ(read->early, request.early);
  EXPECT_EQ(read->preamble, request.preamble);
  EXPECT_EQ(read->stdin_open, false);
  EXPECT_EQ(read->terminal->columns, 34);
  EXPECT_EQ(read->argv, request.argv);
  EXPECT_EQ(read->environment, request.environment);
  EXPECT_EQ(read->working_directory, "/tmp");
  read = ControlRequestFromJson(ControlRequestToJson({.replay = false}));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->operation, ControlRequest::Operation::kAttach);
  EXPECT_EQ(read->terminal, std::nullopt);
  EXPECT_FALSE(read->replay);
}

TEST(SessionControl, ErrorsNameTheMember) {
  const struct {
    const char* request;
    const char* member;
  } bad[] = {
      {R"({"op":"dance"})", "\"op\""},
      {R"({"op":1})", "\"op\""},
      {R"({"op":"attach","early":"?"})", "\"early\""},
      {R"({"op":"attach","stdin":1})", "\"stdin\""},
      {R"({"op":"attach","cols":65536})", "\"cols\""},
      {R"({"op":"exec","argv":"sh"})", "\"argv\""},
      {R"({"op":"exec","argv":["sh"],"environment":["=x"]})", "\"environment\""},
      {R"({"op":"exec","argv":["sh"],"workdir":7})", "\"workdir\""},
  };
  for (const auto& each : bad) {
    const absl::StatusOr<ControlRequest> read = ControlRequestFromJson(each.request);
    ASSERT_FALSE(read.ok()) << each.request;
    EXPECT_NE(read.status().message().find(each.member), absl::string_view::npos) << read.status();
  }
}

}  // namespace
}  // namespace sessionctl
