/* conform/conform.h */
