/* SPDX-License-Identifier: GPL-2.0-only */

#ifndef MEZOURA_TRANSPORT_LIBUBUS_H
#define MEZOURA_TRANSPORT_LIBUBUS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <libubus.h>

/*
 * What Go needs of libubus, with messages as bytes. All functions but mz_wait
 * and mz_shutdown need the lock that Go keeps, and a context belongs to one
 * thread. Handles are cgo.Handles; the functions that Go exports for
 * libubus to call are declared by cgo.
 */

struct mz_object;
struct mz_request;

struct ubus_context *mz_connect(const char *path, uintptr_t link);
void mz_free(struct ubus_context *ctx);
int mz_fd(struct ubus_context *ctx);
bool mz_eof(struct ubus_context *ctx);
void mz_handle(struct ubus_context *ctx);
bool mz_wait(int fd, int wake);
void mz_shutdown(int fd);

int mz_lookup(struct ubus_context *ctx, const char *path, uintptr_t result);

struct mz_request *mz_invoke(struct ubus_context *ctx, uint32_t object, const char *method,
			     const void *data, size_t len, uintptr_t call, int *status);
void mz_abort(struct ubus_context *ctx, struct mz_request *r);

struct mz_object *mz_object_new(uintptr_t binding, const char *path, int n_methods);
bool mz_object_method(struct mz_object *o, int i, const char *name, int n_args);
bool mz_object_arg(struct mz_object *o, int i, int j, const char *name, int type);
void mz_object_free(struct mz_object *o);
int mz_object_add(struct ubus_context *ctx, struct mz_object *o, bool subscriber, uint32_t *id);
int mz_object_remove(struct ubus_context *ctx, struct mz_object *o);
int mz_subscribe(struct ubus_context *ctx, struct mz_object *o, uint32_t target);
int mz_notify(struct ubus_context *ctx, struct mz_object *o, const char *type, const void *data,
	      size_t len);

void mz_reply(struct ubus_context *ctx, struct ubus_request_data *req, const void *data, size_t len,
	      bool has_data, int status);

#endif
