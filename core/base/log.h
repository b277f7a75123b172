/* log.h: chatter to stderr, one line a message: `level topic message key=value`. Results never go through here. */
#ifndef SX_LOG_H
#define SX_LOG_H
typedef enum { SX_LOG_ERROR, SX_LOG_WARN, SX_LOG_INFO, SX_LOG_DEBUG } sx_log_level;
void sx_log_set(const char *spec);               /* "info" or "debug,store:warn,conv2d:debug"; NULL: from STRIX_LOG */
int sx_log_on(sx_log_level level, const char *topic);
void sx_log(sx_log_level level, const char *topic, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#endif
