/* plugins/samplers/parzen.h */
