/* peak.c: runs a command and writes the most bytes that it held in memory to a file: peak FILE COMMAND ..;
 * ends as the command does. For test_memory.sh. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct rusage use;
    int status;
    if (argc < 3) return 2;
    const pid_t child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    FILE *f = child > 0 && wait4(child, &status, 0, &use) == child ? fopen(argv[1], "w") : NULL;
    if (!f) return 2;
    fprintf(f, "%ld\n", use.ru_maxrss * 1024);
    return fclose(f) || !WIFEXITED(status) ? 2 : WEXITSTATUS(status);
}
