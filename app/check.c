#include "app/check.h"

#include <stdio.h>

int check_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    fprintf(stderr, "lectern check: not in this build\n");
    return 2;
}
