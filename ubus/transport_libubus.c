// SPDX-License-Identifier: GPL-2.0-only

//go:build libubus && cgo

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport_libubus.h"
#include "_cgo_export.h"

/* A request under way; freed when it is complete or aborted. */
struct mz_request {
	struct ubus_request req;
	uintptr_t call;
};

/*
 * An object. Calls of all its methods come to one handler (a method without
 * name), since Go finds the method; type is what the broker is told.
 */
struct mz_object {
	struct ubus_subscriber sub; /* its obj is the object, subscriber or not */
	struct ubus_object_type type;
	struct ubus_method *methods;
	uintptr_t binding;
	bool answer; /* calls are answered later, by mz_reply */
};

static struct blob_attr *mz_blob(const void *data, size_t len)
{
	struct blob_attr *attr = calloc(1, sizeof(*attr) + len + BLOB_ATTR_ALIGN);

	if (!attr)
		return NULL;
	attr->id_len = cpu_to_be32((uint32_t)(len + sizeof(*attr)) & BLOB_ATTR_LEN_MASK);
	if (len)
		memcpy(attr->data, data, len);
	return attr;
}

/* --- connection --- */

struct mz_context {
	struct ubus_context ctx;
	uintptr_t link;
};

static void mz_lost(struct ubus_context *ctx)
{
	(void)ctx; /* sock.eof tells; the default would end a loop that we do not run */
}

static void mz_monitor_cb(struct ubus_context *ctx, uint32_t seq, struct blob_attr *data)
{
	struct mz_context *c = container_of(ctx, struct mz_context, ctx);

	mzMonitor(c->link, seq, blob_data(data), blob_len(data));
}

struct ubus_context *mz_connect(const char *path, uintptr_t link)
{
	/*
	 * Connecting initialises uloop, which handles signals in its own way.
	 * They are Go's.
	 */
	static const int signals[] = {SIGINT, SIGTERM, SIGCHLD, SIGPIPE};
	struct sigaction saved[ARRAY_SIZE(signals)];
	struct mz_context *c = calloc(1, sizeof(*c));
	size_t i;
	int ret;

	if (!c)
		return NULL;
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], NULL, &saved[i]);
	ret = ubus_connect_ctx(&c->ctx, path);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &saved[i], NULL);
	if (ret) {
		free(c);
		return NULL;
	}
	c->link = link;
	c->ctx.connection_lost = mz_lost;
	c->ctx.monitor_cb = mz_monitor_cb;
	return &c->ctx;
}

void mz_free(struct ubus_context *ctx)
{
	ubus_flush_requests(ctx);
	ubus_shutdown(ctx);
	free(container_of(ctx, struct mz_context, ctx));
}

int mz_fd(struct ubus_context *ctx)
{
	return ctx->sock.fd;
}

bool mz_eof(struct ubus_context *ctx)
{
	return ctx->sock.eof;
}

void mz_handle(struct ubus_context *ctx)
{
	ubus_handle_event(ctx);
}

/* Waits until there is something to read, true, or to do. */
bool mz_wait(int fd, int wake)
{
	struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = wake, .events = POLLIN}};
	uint64_t count;

	if (poll(p, ARRAY_SIZE(p), -1) < 0)
		return false;
	if (p[1].revents && read(wake, &count, sizeof(count)) < 0)
		return true;
	return p[0].revents != 0;
}

/* Ends what waits for the socket, on whatever thread. */
void mz_shutdown(int fd)
{
	shutdown(fd, SHUT_RDWR);
}

/* --- calls --- */

static void mz_lookup_cb(struct ubus_context *ctx, struct ubus_object_data *obj, void *priv)
{
	(void)ctx;
	mzFound((uintptr_t)priv, (char *)obj->path, obj->id, obj->type_id,
		obj->signature ? blob_data(obj->signature) : NULL,
		obj->signature ? blob_len(obj->signature) : 0);
}

int mz_lookup(struct ubus_context *ctx, const char *path, uintptr_t result)
{
	return ubus_lookup(ctx, path, mz_lookup_cb, (void *)result);
}

static void mz_data_cb(struct ubus_request *req, int type, struct blob_attr *msg)
{
	struct mz_request *r = container_of(req, struct mz_request, req);

	(void)type;
	if (msg)
		mzData(r->call, blob_data(msg), blob_len(msg));
}

static void mz_complete_cb(struct ubus_request *req, int status)
{
	struct mz_request *r = container_of(req, struct mz_request, req);

	mzComplete(r->call, status);
	free(r);
}

struct mz_request *mz_invoke(struct ubus_context *ctx, uint32_t object, const char *method,
			     const void *data, size_t len, uintptr_t call, int *status)
{
	struct mz_request *r = calloc(1, sizeof(*r));
	struct blob_attr *msg = mz_blob(data, len);

	*status = UBUS_STATUS_NO_MEMORY;
	if (r && msg)
		*status = ubus_invoke_async(ctx, object, method, msg, &r->req);
	free(msg);
	if (*status) {
		free(r);
		return NULL;
	}
	r->call = call;
	r->req.data_cb = mz_data_cb;
	r->req.complete_cb = mz_complete_cb;
	ubus_complete_request_async(ctx, &r->req);
	return r;
}

void mz_abort(struct ubus_context *ctx, struct mz_request *r)
{
	ubus_abort_request(ctx, &r->req);
	free(r);
}

/* --- objects --- */

static int mz_invoke_cb(struct ubus_context *ctx, struct ubus_object *obj,
			struct ubus_request_data *req, const char *method, struct blob_attr *msg)
{
	struct mz_object *o = container_of(obj, struct mz_object, sub.obj);
	struct ubus_request_data *later = NULL;
	const char *user = req->acl.user, *group = req->acl.group;

	if (o->answer) {
		later = malloc(sizeof(*later));
		if (!later)
			return UBUS_STATUS_NO_MEMORY;
		ubus_defer_request(ctx, req, later);
		memset(&later->acl, 0, sizeof(later->acl)); /* points into this message */
	}
	mzInvoked(o->binding, later, req->object, req->peer, req->seq, (char *)method,
		  (char *)(user ? user : ""), (char *)(group ? group : ""), blob_data(msg),
		  blob_len(msg));
	return 0;
}

static void mz_active_cb(struct ubus_context *ctx, struct ubus_object *obj)
{
	(void)ctx;
	mzActive(container_of(obj, struct mz_object, sub.obj)->binding, obj->has_subscribers);
}

static void mz_removed_cb(struct ubus_context *ctx, struct ubus_subscriber *sub, uint32_t id)
{
	(void)ctx;
	mzRemoved(container_of(sub, struct mz_object, sub)->binding, id);
}

static const struct ubus_method mz_any_method = {.handler = mz_invoke_cb};

struct mz_object *mz_object_new(uintptr_t binding, const char *path, int n_methods)
{
	struct mz_object *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->binding = binding;
	o->sub.cb = mz_invoke_cb;
	o->sub.remove_cb = mz_removed_cb;
	o->sub.obj.subscribe_cb = mz_active_cb;
	o->sub.obj.methods = &mz_any_method;
	o->sub.obj.n_methods = 1;
	if (!path)
		return o;
	o->answer = true;
	o->sub.obj.name = strdup(path);
	o->sub.obj.type = &o->type;
	o->type.name = o->sub.obj.name;
	o->methods = calloc(n_methods + 1, sizeof(*o->methods));
	o->type.methods = o->methods;
	if (!o->sub.obj.name || !o->methods) {
		mz_object_free(o);
		return NULL;
	}
	o->type.n_methods = n_methods;
	return o;
}

bool mz_object_method(struct mz_object *o, int i, const char *name, int n_args)
{
	o->methods[i].name = strdup(name);
	o->methods[i].policy = calloc(n_args + 1, sizeof(struct blobmsg_policy));
	if (!o->methods[i].policy)
		return false;
	o->methods[i].n_policy = n_args;
	return o->methods[i].name;
}

bool mz_object_arg(struct mz_object *o, int i, int j, const char *name, int type)
{
	struct blobmsg_policy *p = (struct blobmsg_policy *)&o->methods[i].policy[j];

	p->type = type;
	p->name = strdup(name);
	return p->name;
}

void mz_object_free(struct mz_object *o)
{
	int i, j;

	for (i = 0; i < o->type.n_methods; i++) {
		for (j = 0; j < o->methods[i].n_policy; j++)
			free((void *)o->methods[i].policy[j].name);
		free((void *)o->methods[i].policy);
		free((void *)o->methods[i].name);
	}
	free(o->methods);
	free((void *)o->sub.obj.name);
	free(o);
}

int mz_object_add(struct ubus_context *ctx, struct mz_object *o, bool subscriber, uint32_t *id)
{
	int ret = subscriber ? ubus_register_subscriber(ctx, &o->sub)
			     : ubus_add_object(ctx, &o->sub.obj);

	*id = o->sub.obj.id;
	return ret;
}

int mz_object_remove(struct ubus_context *ctx, struct mz_object *o)
{
	return ubus_remove_object(ctx, &o->sub.obj);
}

int mz_subscribe(struct ubus_context *ctx, struct mz_object *o, uint32_t target)
{
	return ubus_subscribe(ctx, &o->sub, target);
}

int mz_notify(struct ubus_context *ctx, struct mz_object *o, const char *type, const void *data,
	      size_t len)
{
	struct blob_attr *msg = mz_blob(data, len);
	int ret = UBUS_STATUS_NO_MEMORY;

	if (msg)
		ret = ubus_notify(ctx, &o->sub.obj, type, msg, -1);
	free(msg);
	return ret;
}

void mz_reply(struct ubus_context *ctx, struct ubus_request_data *req, const void *data, size_t len,
	      bool has_data, int status)
{
	struct blob_attr *msg = has_data ? mz_blob(data, len) : NULL;

	if (has_data && !msg)
		status = UBUS_STATUS_NO_MEMORY;
	if (msg)
		ubus_send_reply(ctx, req, msg);
	free(msg);
	ubus_complete_deferred_request(ctx, req, status);
}
