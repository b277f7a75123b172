/* plugins/devices/cpu/cpu.h */
