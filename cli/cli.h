/* cli/cli.h */
