package controlapi

import (
	"fmt"
	"net/http"

	"atoll/internal/catalog"
	"atoll/internal/errs"
)

// userRoutes are those of a disk's users.
func (a *api) userRoutes() []route {
	return []route{
		{method: "GET", path: "/api/disks/{id}/users", name: "listUsers", group: "Users", summary: "list a disk's users",
			text:  "All of them, the oldest first; page by page if `limit` is given.",
			right: rightDiskRead, do: gives(a.listUsers), params: pagingOnDemand()},
		{method: "POST", path: "/api/disks/{id}/users", name: "addUser", group: "Users", summary: "add an S3 user or a token",
			text:  "Each request makes another user. What it opens the disk with is shown this once.",
			right: rightDiskWrite, action: "user.add", success: []int{201}, errors: []int{501}, do: takes(a.addUser)},
		{method: "DELETE", path: "/api/disks/{id}/users/{type}", name: "removeUser", group: "Users", summary: "remove a user",
			text:  "Requests that begin after the answer are refused.",
			right: rightDiskWrite, action: "user.remove", errors: []int{501}, do: gives(a.removeUser),
			params: []param{{name: "identifier", text: "the user's identifier", required: true},
				{name: "principal", text: "deprecated name of identifier"}}},
	}
}

// userResponse is a user on the wire.
type userResponse struct {
	Type            string `json:"type" enum:"s3,token" doc:"s3, for the S3 API, or token, for mounts"`
	Identifier      string `json:"identifier" doc:"names the user; of an S3 user its access key id"`
	Nickname        string `json:"nickname" doc:"as it was given; may be empty"`
	CreatedAt       string `json:"createdAt" doc:"time"`
	AccessKeyID     string `json:"accessKeyId,omitempty" doc:"of an S3 user: 20 characters that begin with ATL"`
	SecretAccessKey string `json:"secretAccessKey,omitempty" doc:"of an S3 user, in the answer that made it only: 40 characters"`
	Principal       string `json:"principal,omitempty" doc:"of a token: deprecated name of identifier"`
	TokenSuffix     string `json:"tokenSuffix,omitempty" doc:"of a token: its last four characters"`
	Token           string `json:"token,omitempty" doc:"of a token, in the answer that made it only"`
}

func wireUser(u catalog.User) userResponse {
	res := userResponse{Type: string(u.Type), Identifier: u.Identifier, Nickname: u.Nickname, CreatedAt: timestamp(u.Created)}
	if u.Type == catalog.TokenUser {
		res.Principal, res.TokenSuffix = u.Identifier, u.Suffix
	} else {
		res.AccessKeyID = u.Identifier
	}
	return res
}

func userList(users []catalog.User) []userResponse {
	list := make([]userResponse, 0, len(users))
	for _, u := range users {
		list = append(list, wireUser(u))
	}
	return list
}

// checkUserType refuses the kinds of users that are known but not offered,
// and those that nobody knows.
func checkUserType(t string) (catalog.UserType, error) {
	switch t {
	case string(catalog.S3User), string(catalog.TokenUser):
		return catalog.UserType(t), nil
	case "awssts":
		return "", errs.New("user", t, errs.Unsupported, "users of type awssts are not offered: only s3 and token are")
	}
	return "", invalid("the type of a user is s3 or token")
}

type addUserRequest struct {
	Type        string `json:"type" need:"true" enum:"s3,token,awssts" doc:"s3 or token; awssts answers 501"`
	Nickname    string `json:"nickname" doc:"at most 255 bytes of UTF-8 without control characters"`
	Principal   string `json:"principal" doc:"deprecated: tokens are made by the server, 501 unless empty"`
	TokenSuffix string `json:"tokenSuffix" doc:"deprecated, goes with principal"`
}

func (a *api) addUser(c *call, in *addUserRequest) (userResponse, error) {
	var res userResponse
	typ, err := checkUserType(in.Type)
	if err != nil {
		return res, err
	}
	if in.Principal != "" || in.TokenSuffix != "" {
		return res, errs.New("add user", "", errs.Unsupported, "principal is not offered: the server makes the token and answers it")
	}
	c.status, c.details = http.StatusCreated, in.Type
	u, secret, err := a.o.Catalog.AddUser(c.r.Context(), c.disk, typ, in.Nickname)
	if err != nil {
		return res, err
	}
	res = wireUser(u)
	c.target = res.Identifier
	if typ == catalog.TokenUser {
		res.Token = secret
	} else {
		res.SecretAccessKey = secret
	}
	return res, nil
}

func (a *api) listUsers(c *call) ([]userResponse, error) {
	users, err := a.o.Catalog.Users(c.r.Context(), c.disk)
	if err != nil {
		return nil, err
	}
	users, err = onDemand(c, users, func(u *catalog.User) string { return fmt.Sprintf("%020d %s", u.Created.UnixNano(), u.Identifier) })
	return userList(users), err
}

// message is the data of answers that have nothing else to say.
type message struct {
	Message string `json:"message" doc:"what was done, for people"`
}

func (a *api) removeUser(c *call) (message, error) {
	c.details = c.r.PathValue("type")
	typ, err := checkUserType(c.details)
	if err != nil {
		return message{}, err
	}
	c.target = c.query("identifier")
	if c.target == "" {
		c.target = c.query("principal")
	}
	if c.target == "" {
		return message{}, invalid("identifier is needed: the user's identifier")
	}
	err = a.o.Catalog.RemoveUser(c.r.Context(), c.disk, typ, c.target)
	if err != nil {
		return message{}, err
	}
	return message{"User removed"}, nil
}
