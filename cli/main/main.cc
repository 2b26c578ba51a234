#include "cli/command_line.h"

int main(int argc, char** argv) { return sessionctl::RunCommandLine(argc, argv); }
