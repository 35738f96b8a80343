# Tests of rela/
